"""IAM and STS: who exists, what they may do, and for how long.

Two services over one state, with a manifest each: `iam_manifest` and `sts_manifest`. Read in this order:

- `state`: what is kept.
- `identities`: what the door asks before every call: who is behind a key, and which policies speak for them.
- `lookups`, `refusals`, `ids`, `listing`, `tagging`: how things are found, not found, named, paged and tagged.
- `users`, `groups`, `roles`, and their policies: `documents` (policies as texts), `policies`, `aws_managed`, `attachments`,
  `inline_policies`, `boundaries`.
- What belongs to a user: `access_keys`, `passwords`, `mfa`, `signing_certificates`, `ssh_keys`, `service_credentials` (with `pem`).
- What else an account has: `instance_profiles`, `linked_roles`, `server_certificates`, `oidc_providers`, `saml_providers`,
  `account`, `reports`.
- `sources` and `simulate`: the simulator, which is the door's own evaluator.
- `authorization`: what IAM's own operations are about, as policies see it.

STS: `callers`, `trust` (may this caller take on that role?), `sessions` (how temporary credentials are made), `assume_role`,
`federation`, `web_identity` (with `signatures`, and `oidc_keys`, the one place that speaks to the network), `authorization_messages`.

Not implemented, and so answered by the door: access advisor (service last accessed details: uses are not recorded by service),
delegation requests, organizations features, AssumeRoleWithSAML, AssumeRoot, web identity tokens for outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fogbank.services.iam.iam_manifest import IAM
    from fogbank.services.iam.sts_manifest import STS

__all__ = ["IAM", "STS"]


def __getattr__(name: str) -> Any:
    """A manifest, when it is first asked for: who only asks STS who they are does not wait for all of IAM."""
    if name == "IAM":
        from fogbank.services.iam.iam_manifest import IAM

        return IAM
    if name == "STS":
        from fogbank.services.iam.sts_manifest import STS

        return STS
    raise AttributeError(name)
