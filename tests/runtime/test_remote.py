import pytest

from eyas.errors import EyasError
from eyas.runtime.remote import Remote
from tests.runtime.endpoint import endpoint


def test_an_address_that_is_none_or_leads_elsewhere_is_refused() -> None:
    for url in ("ftp://x/v1", "file:///etc/passwd", "localhost:80"):
        with pytest.raises(EyasError, match="--judge .* is no http"):
            Remote(url, "m", "--judge")
    with endpoint() as there:
        there.status = 302
        with pytest.raises(EyasError, match="answered 302"):
            Remote(there.url, "m", "--judge", "secret").chat([])
        there.status, there.raw = 200, b"<html>"
        with pytest.raises(EyasError, match="cannot be asked"):
            Remote(there.url, "m", "--judge").chat([])
        there.raw = b'{"choices": []}'
        with pytest.raises(EyasError, match="another shape"):
            Remote(there.url, "m", "--judge").chat([])
        assert len(there.heard) == 3  # the redirect was not followed
    with pytest.raises(EyasError, match="cannot be asked"):
        Remote(there.url, "m", "--judge").chat([])
