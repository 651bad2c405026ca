"""Logging and Bookkeeping: events, the state machine, transport, the bookkeeping server and its client."""
