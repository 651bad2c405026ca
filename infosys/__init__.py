"""The information system: GLUE 1.3 as Python records, LDIF, an LDAP server and client, the BDII harvest, CE ads.

Import the nouns from their modules: :mod:`infosys.entry`, :mod:`infosys.glue1`, :mod:`infosys.server`,
:mod:`infosys.client`, :mod:`infosys.bdii`, :mod:`infosys.ce_ads`, :mod:`infosys.settings`.
"""
