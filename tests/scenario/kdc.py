"""A Kerberos realm on loopback: a KDC with principals, key tables and tickets.

    with Kdc(place) as kdc:
        keytab = kdc.keytab("smtp/mx.test")
        env = kdc.ticket("alice", "secret")     # for a client: curl, gsasl

Nothing of the system's Kerberos is read or written, by programs that get `kdc.env`.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import debs
from peers import Peer
from ports import free_port

CONFIGURATION = """[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 0
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
    database_name = {place}/principal
    key_stash_file = {place}/stash
    acl_file = {place}/acl
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
    max_life = 1h
  }}
[domain_realm]
  test = {realm}
  .test = {realm}
  localhost = {realm}
[dbmodules]
  db_module_dir = {modules}
[logging]
  kdc = FILE:{place}/log
"""


class Kdc(Peer):
    package = "krb5"

    def __init__(self, place, realm="PR.TEST"):
        super().__init__(place)
        self.open = pathlib.Path(tempfile.mkdtemp(prefix="postrider-krb5-"))   # servers run as other users
        os.chmod(self.open, 0o755)
        self.realm = realm
        self.port = free_port("127.0.0.1")
        self.env = {"LD_LIBRARY_PATH": debs.library_path(self.root), "KRB5_CONFIG": str(self.open / "krb5.conf"),
                    "KRB5_KDC_PROFILE": str(self.open / "krb5.conf"), "KRB5CCNAME": str(self.path("nobody.ticket"))}

    def run(self, program, *words, **more):
        return debs.run(str(self.program(program)), *words, env={**os.environ, **self.env}, **more)

    def configure(self):
        machine = next(self.root.glob("usr/lib/*/krb5/plugins/kdb"))
        (self.open / "krb5.conf").write_text(CONFIGURATION.format(
            realm=self.realm, port=self.port, place=self.place, modules=machine))
        self.path("acl").write_text("")
        self.run("usr/sbin/kdb5_util", "create", "-s", "-r", self.realm, "-P", "a master key for an hour")

    def command(self):
        return [self.program("usr/sbin/krb5kdc"), "-n", "-r", self.realm, "-P", self.path("pid")]

    def ready(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            return True
        except OSError:
            return False

    def stop(self):
        super().stop()
        shutil.rmtree(self.open, ignore_errors=True)

    def admin(self, query):
        return self.run("usr/sbin/kadmin.local", "-r", self.realm, "-q", query)

    def keytab(self, *principals, name="keytab"):
        """A key table with these services, made if they are not there; its path."""
        path = self.path(name)
        for principal in principals:
            self.admin(f"addprinc -randkey {principal}")
            self.admin(f"ktadd -k {path} {principal}")
        path.chmod(0o600)
        return path

    def ticket(self, user, password):
        """The environment of somebody who has just logged in."""
        self.admin(f"addprinc -pw {password} {user}")
        env = {**self.env, "KRB5CCNAME": str(self.path(f"{user}.ticket"))}
        subprocess.run([str(self.program("usr/bin/kinit")), user], input=password + "\n", text=True, check=True,
                       env={**os.environ, **env}, stdout=subprocess.DEVNULL)
        return env

    def log(self):
        file = self.path("log")
        return (file.read_text(errors="replace") if file.exists() else "") + self.process.log()
