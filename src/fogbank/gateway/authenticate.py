"""Who calls: the keys that everybody knows, and those that IAM and STS made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fogbank.access import refusals
from fogbank.access.policy import Named
from fogbank.access.principal import ANONYMOUS, Credential, Principal, root
from fogbank.access.principal import service as service_principal
from fogbank.access.question import Policies
from fogbank.access.signature import Signed, Verifier
from fogbank.gateway import address
from fogbank.kernel.clock import wall_ms
from fogbank.kernel.context import Context, Role
from fogbank.kernel.http import HttpRequest
from fogbank.store import Table
from fogbank.store.tables import At

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud
    from fogbank.wire.model import OperationModel

DEFAULT_ACCOUNT = "000000000000"
WELL_KNOWN_SECRET = "test"
_USE_NOTED_MS = 300_000


_WITHOUT_POLICIES = frozenset({"root", "anonymous", "service", "web-identity", "saml"})


class Identities(Protocol):
    """Where keys and policies are kept: the IAM service, handed in by `app`."""

    TABLES_READ: tuple[Table[Any], ...]

    def credential_at(self, at: Any, access_key_id: str) -> Credential | None: ...

    def policies_of(self, at: Any, principal: Principal) -> Any: ...

    def assume(self, ctx: Any, role_arn: str, service: Principal, session_name: str) -> Principal: ...

    def used(self, ctx: Any, access_key_id: str, service: str, region: str) -> None: ...


class Callers:
    """The keys and policies of one cloud, remembered until one of the tables behind them is written."""

    def __init__(self, cloud: Cloud, load: Callable[[], Identities], *, strict: bool) -> None:
        self._cloud = cloud
        self._load = load
        self._identities: Identities | None = None
        self._strict = strict
        self._verifier = Verifier()
        self._credentials: dict[str, Credential | None] = {}
        self._policies: dict[str, Policies] = {}
        self._noted: dict[str, int] = {}
        self.scps: Callable[[At, str], Sequence[Sequence[Named]]] = lambda at, account: ()
        """The service control policies of an account, level by level. Nobody has any until there are organizations."""
        self.spaces: frozenset[int] = frozenset()
        """The tables that say who is who; empty until somebody asked."""

    @property
    def identities(self) -> Identities:
        if self._identities is None:
            self._identities = self._load()
            self.spaces = frozenset(t.space for t in self._identities.TABLES_READ)
        return self._identities

    def forget(self) -> None:
        """Somebody's keys or policies may have changed."""
        self._credentials.clear()
        self._policies.clear()

    def authenticate(self, request: HttpRequest, dialect: str, operation: OperationModel | None) -> tuple[Signed | None, Principal]:
        """The signature that held, and who made it; an anonymous caller where the operation takes one.

        Errors: the dialect's for each way in which a signature can be wrong.
        """
        bucket = (address.bucket(request.headers.get("host", "")) or "") if dialect == "s3" else ""
        signed = self._verifier.authenticate(
            request, self._cloud.clock.now_ms(), self.finder(request), dialect, self.dated_by, bucket=bucket
        )
        if signed is not None:
            return signed, signed.credential.principal
        if dialect != "s3" and not (operation is not None and operation.unsigned):
            raise refusals.missing(request.headers, dialect)
        return None, ANONYMOUS

    def dated_by(self, signed_ms: int | None) -> int:
        """The instant that a signature's date is compared with: by the wall, since clients sign by the wall.

        For a presigned URL (`signed_ms`) it is the wall's time moved by how far the cloud's has moved since it was signed.
        """
        if signed_ms is None:
            return wall_ms()
        clock = self._cloud.clock
        return signed_ms + clock.now_ms() - clock.at_wall(signed_ms)

    def finder(self, request: HttpRequest) -> Callable[[str], Credential | None]:
        """What finds the credential of a request's key: people's code has those that were given to it, never those that everybody knows."""
        return self._find_given if request.inside else self.find

    def _find_given(self, access_key_id: str) -> Credential | None:
        return None if _well_known(access_key_id) else self.find(access_key_id)

    def find(self, access_key_id: str) -> Credential | None:
        """The credential of a key, or None."""
        known = self._credentials
        if access_key_id in known:
            return known[access_key_id]
        found = known[access_key_id] = self._find(access_key_id)
        if len(known) > 10_000:
            known.clear()
        return found

    def _find(self, access_key_id: str) -> Credential | None:
        if not self._strict:
            if _well_known(access_key_id):
                account = DEFAULT_ACCOUNT if access_key_id == "test" else access_key_id
                return Credential(access_key_id=access_key_id, secret=WELL_KNOWN_SECRET, principal=root(account))
        elif self._cloud.root_key is not None and access_key_id == self._cloud.root_key[0]:
            return Credential(access_key_id=access_key_id, secret=self._cloud.root_key[1], principal=root(DEFAULT_ACCOUNT))
        return self.identities.credential_at(self._cloud.reader(), access_key_id)

    def policies_of(self, principal: Principal) -> Policies:
        """The caller's own policies and their organization's (nothing of the resource's)."""
        key = principal.user_id + principal.arn + principal.session
        found = self._policies.get(key)
        if found is None:
            identity, boundary, session = (), None, None
            if principal.kind not in _WITHOUT_POLICIES or principal.session:
                identity, boundary, session = self.identities.policies_of(self._cloud.reader(), principal)
            scps = self.scps(self._cloud.reader(), principal.account) if principal.account and principal.kind != "service" else ()
            found = Policies(identity=identity, boundary=boundary, session=session or (), scps=scps)
            if len(self._policies) > 10_000:
                self._policies.clear()
            self._policies[key] = found
        return found

    def assume(self, ctx: Context, role: Role) -> Principal:
        """A role's session, taken on by a service that the role trusts. Errors: AccessDenied."""
        service = service_principal(role.service, role.source_account or ctx.account, role.source_arn)
        return self.identities.assume(ctx, role.arn, service, role.session_name)

    def unlimited(self, principal: Principal) -> bool:
        """An account's root user, whom nothing but a resource's policy could deny anything."""
        return principal.kind == "root" and not principal.session and not self.policies_of(principal).scps

    def note_use(self, signed: Signed, now_ms: int) -> bool:
        """Whether the use of this key should be written down now (every few minutes; not that of well-known keys)."""
        key = signed.access_key_id
        if not key.startswith("A") or now_ms - self._noted.get(key, -_USE_NOTED_MS) < _USE_NOTED_MS:
            return False
        self._noted[key] = now_ms
        return True


def _well_known(access_key_id: str) -> bool:
    """Whether it is a key that needs no asking for: an account's root user, where the cloud is not strict."""
    return access_key_id == "test" or (len(access_key_id) == 12 and access_key_id.isascii() and access_key_id.isdigit())
