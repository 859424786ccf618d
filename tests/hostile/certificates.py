# SPDX-License-Identifier: Apache-2.0
"""certificates: an authority of the tests' own that signs whatever it is asked to, right or wrong."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def uri(text):
    return x509.UniformResourceIdentifier(text)


class Authority:
    def __init__(self, path, words="Test authority"):
        self.path, self.words = path, words
        path.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._build(name(words), self.key.public_key(), [], None, True, -DAY, 30 * DAY, self.key,
                                       name(words), hashes.SHA256())
        self.file = self._write("ca.crt", self.certificate)

    def _build(self, subject, public, names, purposes, authority, begin, end, key, issuer, digest):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
                   .serial_number(x509.random_serial_number()).not_valid_before(now() + begin)
                   .not_valid_after(now() + end)
                   .add_extension(x509.BasicConstraints(ca=authority, path_length=None), True)
                   .add_extension(x509.KeyUsage(not authority, False, False, False, False, authority, authority,
                                                False, False), True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False)
        return builder.sign(key, digest)

    def _write(self, file, *things):
        out = b""
        for thing in things:
            if hasattr(thing, "private_bytes"):
                out += thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption())
            else:
                out += thing.public_bytes(serialization.Encoding.PEM)
        path = self.path / file
        path.touch(mode=0o600)
        path.write_bytes(out)
        return path

    def issue(self, stem, names=(), purposes=(CLIENT,), begin=-DAY, end=DAY, subject=None, issuer=None, key=None,
              digest=None, authority=False):
        """(file of chain and key). `issuer`: another Issued that signs instead of the authority."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        signer = issuer.key if issuer else self.key
        certificate = self._build(name(subject or stem), key.public_key(), list(names), list(purposes), authority,
                                  begin, end, signer, issuer.certificate.subject if issuer else name(self.words),
                                  digest or hashes.SHA256())
        chain = [certificate] + ([issuer.certificate] if issuer else [])
        return Issued(self._write(f"{stem}.crt", *chain), self._write(f"{stem}.key", key), certificate, key)

    def revoke(self, *issued):
        builder = (x509.CertificateRevocationListBuilder().issuer_name(name(self.words)).last_update(now() - DAY)
                   .next_update(now() + DAY))
        for one in issued:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
                .revocation_date(now() - DAY / 2).build())
        return self._write("revoked.crl", builder.sign(self.key, hashes.SHA256()))


class Issued:
    def __init__(self, file, key_file, certificate, key):
        self.file, self.key_file, self.certificate, self.key = file, key_file, certificate, key


def weak_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)
