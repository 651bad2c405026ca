"""The contracts as files, and what binds Python to them at both ends.

A reader who knows WSDL finds: ``files/`` (the documents), :mod:`wsdl.library` (their door), :mod:`wsdl.schema` and
:mod:`wsdl.contract` (what they say), :mod:`wsdl.codec` (values to XML and back), :mod:`wsdl.types` (the values),
:mod:`wsdl.faults` (errors on the wire), :mod:`wsdl.rpc` and :mod:`wsdl.document` (the two wire styles),
:mod:`wsdl.service` (a server), :mod:`wsdl.documents` (``?wsdl``), :mod:`wsdl.client` (a client) and
:mod:`wsdl.delegation` (the delegation calls of a client).

Spyne is imported by the server's modules only, zeep by the client's only, and both late.
"""
