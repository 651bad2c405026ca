"""The users' commands: ``glite-wms-job-submit`` and its family (gLite WMS user interface).

Each command has a module of its own with ``main() -> int``: :mod:`clients.submit`, :mod:`clients.status`,
:mod:`clients.logging_info`, :mod:`clients.output`, :mod:`clients.cancel`, :mod:`clients.list_match`,
:mod:`clients.delegate_proxy`.  What they share is one noun per module; :mod:`clients.command` runs a command and
turns errors into frames and exit codes.

Nothing heavy (zeep, lxml, cryptography) is imported before the command line has been read.
"""
