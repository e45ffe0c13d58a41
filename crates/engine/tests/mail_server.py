"""A real mail server for the tests: aiosmtpd with STARTTLS or TLS, that lets in who knows the password and prints what it took.

    mail_server.py PORT CERTIFICATE KEY starttls|tls

Each mail is a line of JSON on standard output. An address that begins with "gone" is refused for good, one that begins with
"busy" twice for now.
"""

import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

port, certificate, key, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
busy = {"left": 2}


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("busy") and busy["left"] > 0:
            busy["left"] -= 1
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        took = {
            "hello": session.host_name,
            "tls": session.ssl is not None,
            "login": session.auth_data,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["subject"],
            "automatic": mail["auto-submitted"],
            "text": mail.get_content(),
        }
        print(json.dumps(took), flush=True)
        return "250 OK"


def let_in(server, session, envelope, mechanism, data):
    good = data.login == b"bellwether" and data.password == b"s3cret-password"
    return AuthResult(success=good, handled=good, auth_data="bellwether" if good else None)


class Server(Controller):
    def factory(self):
        return SMTP(
            self.handler,
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            auth_required=True,
            auth_require_tls=mode == "starttls",
            authenticator=let_in,
            hostname="mail.test",
        )


server = Server(Handler(), hostname="127.0.0.1", port=port, ssl_context=context if mode == "tls" else None)
server.start()
print("ready", flush=True)
sys.stdin.read()
server.stop()
