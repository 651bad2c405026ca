"""A node: one directory, one configuration file, the services in it and the ``wms`` command."""
