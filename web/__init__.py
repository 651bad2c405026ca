"""HTTPS with client proxies.

===================  ======================================================================
:mod:`web.server`    the server that every service runs under: pre-fork, threads, our TLS
:mod:`web.identity`  who is at the other end of a connection
:mod:`web.guard`     an operation that never asked the authorization point fails
:mod:`web.transfer`  files in and out: resumable GET, durable PUT
:mod:`web.client`    the other end of that
===================  ======================================================================
"""
