"""Signature V4, checked: written against AWS's documentation and sharing no
code with libimgpipe, so that the two prove one another."""
import datetime
import hashlib
import hmac
import urllib.parse

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = hashlib.sha256(b"").hexdigest()


class Refused(Exception):
    """code: what S3 calls it; text: why."""

    def __init__(self, code, text=""):
        super().__init__(code + ": " + text)
        self.code, self.text = code, text


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def _query(pairs):
    return "&".join(sorted(_quote(k) + "=" + _quote(v) for k, v in pairs))


def _time(text):
    try:
        t = datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ")
    except ValueError:
        raise Refused("AccessDenied", "no x-amz-date") from None
    return t.replace(tzinfo=datetime.timezone.utc).timestamp()


def check(method, target, headers, secret_of, now, service="s3", region=None,
          skew=900):
    """Who signed this request?  (access key, payload hash it was signed with,
    session token); Refused when nobody did, or wrongly.

    target: the request's target as it was sent; headers: pairs as they were
    sent; secret_of: access key -> secret, or None; region: the only one that
    is taken, None for any."""
    path, _, raw = target.partition("?")
    pairs = [(urllib.parse.unquote(k), urllib.parse.unquote(v))
             for k, _, v in (p.partition("=") for p in raw.split("&") if p)]
    values = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    given = {k: v for k, v in pairs if k.startswith("X-Amz-")}
    presigned = "X-Amz-Signature" in given
    if presigned:
        fields = {"Credential": given.get("X-Amz-Credential", ""),
                  "SignedHeaders": given.get("X-Amz-SignedHeaders", ""),
                  "Signature": given["X-Amz-Signature"]}
        date = given.get("X-Amz-Date", "")
        pairs = [p for p in pairs if p[0] != "X-Amz-Signature"]
        payload = UNSIGNED
        token = given.get("X-Amz-Security-Token")
    else:
        auth = values.get("authorization", [""])[0]
        if not auth:
            raise Refused("AccessDenied", "anonymous")
        if not auth.startswith("AWS4-HMAC-SHA256 "):
            raise Refused("InvalidArgument", "not signature V4")
        fields = dict(p.strip().partition("=")[::2]
                      for p in auth.split(" ", 1)[1].split(","))
        date = values.get("x-amz-date", [""])[0]
        payload = values.get("x-amz-content-sha256", [None])[0]
        token = values.get("x-amz-security-token", [None])[0]
    scope = fields.get("Credential", "").split("/")
    if len(scope) != 5 or scope[3] != service or scope[4] != "aws4_request":
        raise Refused("AuthorizationHeaderMalformed", "scope")
    if region is not None and scope[2] != region:
        raise Refused("AuthorizationHeaderMalformed",
                      "the region '%s' is wrong; expecting '%s'"
                      % (scope[2], region))
    signed = fields.get("SignedHeaders", "").split(";")
    if signed != sorted(signed) or "host" not in signed:
        raise Refused("AccessDenied", "signed headers")
    # Every x-amz- header, and the body's type, must be among them.
    for name in values:
        if name.startswith("x-amz-") and name not in signed:
            raise Refused("AccessDenied", name + " is not signed")
    when = _time(date)
    if not date.startswith(scope[1]):
        raise Refused("SignatureDoesNotMatch", "date of the scope")
    if presigned:
        if now > when + int(given.get("X-Amz-Expires", "0")):
            raise Refused("AccessDenied", "Request has expired")
    elif abs(now - when) > skew:
        raise Refused("RequestTimeTooSkewed")
    secret = secret_of(scope[0])
    if secret is None:
        raise Refused("InvalidAccessKeyId", scope[0])
    if service == "s3":
        if payload is None:
            raise Refused("InvalidRequest", "no x-amz-content-sha256")
        uri = path
        if "".join(_quote(urllib.parse.unquote(s)) + "/"
                   for s in path.split("/"))[:-1] != path:
            raise Refused("SignatureDoesNotMatch", "the path's encoding")
    else:
        uri = urllib.parse.quote(path, safe="/-_.~")
    for name in signed:
        if name not in values:
            raise Refused("SignatureDoesNotMatch", "no header " + name)
    canonical = "\n".join([
        method, uri, _query(pairs),
        "".join(n + ":" + ",".join(values[n]) + "\n" for n in signed),
        ";".join(signed), payload or values["-body-sha256"][0]])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, "/".join(scope[1:]),
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope[1:]:
        key = _mac(key, part)
    if not hmac.compare_digest(_mac(key, to_sign).hex(),
                               fields.get("Signature", "")):
        raise Refused("SignatureDoesNotMatch")
    return scope[0], payload, token
