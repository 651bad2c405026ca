"""The words that all rooms share: job ids, names, sequence codes, states, limits, errors, the XML door.

Everything here is a value or a small rule; the few functions that touch the file system or a socket
(:mod:`grid.files`, :mod:`grid.doorbell`, :mod:`grid.faultpoints`) are the ones that every room needs in
exactly one form.
"""
