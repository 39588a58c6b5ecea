"""What both programs ask: nginx, which answers /users/me as Hex does, and counts."""

import re
import shutil
import subprocess

from stand import Failed, free_address, get

# A workspace token's answer, in the form of Hex's API reference.
ANSWER = (
    '{"org":{"id":"0195fa0d-a0b5-7001-b18f-ec09baa16d1a"},'
    '"token":{"id":"0195fa0d-a0b5-7001-b18f-ec09baa16d1b","exp":1900000000}}'
)
PATH = "/api/v1/users/me"

# What an upstream does with a connection, and how it is spoken to.
WAYS = {
    "http, a new connection each": ("http", "keepalive_timeout 0;"),
    "http, connections kept": ("http", "keepalive_requests 1000000000;"),
    "https, a new connection each": ("https", "keepalive_timeout 0; ssl_session_tickets off;"),
    "https, a new connection each, sessions resumed": ("https", "keepalive_timeout 0;"),
    "https, connections kept": ("https", "keepalive_requests 1000000000;"),
}

FRAME = """
daemon off;
worker_processes 2;
error_log stderr error;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    server {{ listen {status}; location / {{ stub_status; }} }}
{servers}
}}
"""

SERVER = """
    server {{
        listen {listen};
        {way}
        location = {path} {{ default_type application/json; return 200 '{answer}'; }}
    }}
"""


class Upstream:
    """One nginx that serves every way of asking at an address of its own."""

    def __init__(self, stand):
        self.ca = certificates(stand.folder)
        self.addresses = {way: free_address() for way in WAYS}
        self.status = free_address()
        servers = ""
        for way, (scheme, terms) in WAYS.items():
            listen = self.addresses[way] + (" ssl" if scheme == "https" else "")
            servers += SERVER.format(listen=listen, way=terms, path=PATH, answer=ANSWER)
        config = stand.write(
            "nginx.conf", FRAME.format(folder=stand.folder, status=self.status, servers=servers)
        )
        stand.start("nginx", shutil.which("nginx") or "/usr/sbin/nginx", "-c", config)
        stand.until("nginx answers", lambda: get(f"http://{self.status}/"), 10)

    def url(self, way):
        return f"{WAYS[way][0]}://{self.addresses[way]}"

    def ca_of(self, way):
        """The CA to trust; none where nothing is encrypted."""
        return self.ca if WAYS[way][0] == "https" else None

    def counts(self):
        """Connections accepted and requests read so far, by nginx's own count."""
        text = get(f"http://{self.status}/")
        found = re.search(r"^ (\d+) \d+ (\d+) $", text, re.MULTILINE)
        if not found:
            raise Failed("nginx tells no counts")
        return int(found[1]), int(found[2])


def certificates(folder):
    """A throw-away CA, and a certificate of it for loopback."""
    openssl = lambda *words: subprocess.run(
        ["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True
    )
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", 2, "-subj", "/CN=throw-away CA")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.pem", "-days", 2, "-extfile", "san",
    )
    return folder / "ca.pem"
