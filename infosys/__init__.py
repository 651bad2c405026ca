"""The information system: GLUE 1.3 and 2.0 as records, LDIF, an LDAP server and client, the BDII harvest, CE ads.

Import the nouns from their modules: :mod:`infosys.entry`, :mod:`infosys.glue1`, :mod:`infosys.glue2`,
:mod:`infosys.server`, :mod:`infosys.client`, :mod:`infosys.bdii`, :mod:`infosys.ce_ads`, :mod:`infosys.glue2_ads`,
:mod:`infosys.discovery`, :mod:`infosys.settings`.
"""
