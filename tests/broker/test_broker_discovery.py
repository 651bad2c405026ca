"""The catalogues that the information system has for a VO."""

from broker.discovery import REFRESH, Discovery
from infosys.client import LdapSource
from infosys.glue1_service import Service
from infosys.server import LdapServer
from infosys.services import CATALOGUE

SUFFIX = "mds-vo-name=SITE,mds-vo-name=local,o=grid"


def catalogue(name: str, *access: str):
    made = Service(unique_id=name, site_id="S", type=CATALOGUE, endpoint=f"https://{name}/", access=access)
    return made.entries(SUFFIX)


def test_catalogues_of_the_vo_are_found_and_stay_known_while_the_source_is_silent():
    moment = [0.0]
    with LdapServer("127.0.0.1:0") as server:
        some = [*catalogue("a", "VO:vo"), *catalogue("b", "VOMS:/vo/x"), *catalogue("c", "VO:no"), *catalogue("d")]
        server.publish(some)
        discovery = Discovery([LdapSource(server.url, timeout=5)], lambda: moment[0])
        assert discovery("vo") == ("https://a/", "https://b/", "https://d/")
        assert discovery("no") == ("https://c/", "https://d/")
        server.publish(catalogue("e", "VO:vo"))
        assert discovery("vo") == ("https://a/", "https://b/", "https://d/")
        moment[0] += REFRESH
        assert discovery("vo") == ("https://e/",)
    moment[0] += REFRESH
    assert discovery("vo") == ("https://e/",)
