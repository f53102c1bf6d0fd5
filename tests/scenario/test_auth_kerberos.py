"""AUTH GSSAPI with a real KDC."""
import os
import subprocess

import pytest

import debs
from kdc import Kdc


@pytest.fixture(scope="module")
def kdc(tmp_path_factory):
    with Kdc(tmp_path_factory.mktemp("kdc")) as kdc:
        kdc.service = kdc.keytab("smtp/mx.test")
        kdc.alice = kdc.ticket("alice", "wonderland")
        yield kdc


def test_the_exchange_itself_with_tickets_good_and_bad(kdc):
    env = {**os.environ, **kdc.alice, "POSTRIDER_KEYTAB": str(kdc.service), "POSTRIDER_REALM": kdc.realm}
    done = subprocess.run([debs.BUILD / "tests/unit/test_sasl_gssapi"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr + kdc.log()
