"""The computing element: its SOAP port, accounts, staging, the job wrapper and the local batch systems."""
