"""AWS KMS: keys, what they encipher and sign, and who may have them do it.

Read in this order: `state` (the model of the data), `specs` and `rules` (what a key can do, and when), `names` (how a
key is named and found), `making` and `keys` (its life), `managed` (the keys that belong to services), `materials`,
`pairs` and `ciphertexts` (what is in a key, and how it is kept), `encryption`, `reencryption`, `data_keys`; `asymmetric`
and `pairing` (signatures, MACs, shared secrets); `rotation`, `importing`, `regions`; `aliases`, `tags`, `uses`; `tasks`
(what the clock does). `documents` and `policies` are key policies, `granting` and `grants` grants, `conditions` the
condition keys.

Who may: a key policy is required, so not even the root user does anything that it does not allow or hand to the account's
IAM policies. Where all of them are silent, a grant may still speak; whatever one denies stays denied.

What is not here, and refused by name: custom key stores, SM2, ML_KEM_512, ED25519_PH_SHA_512, Recipient (attested
environments), keys shared through RAM. Request quotas are not imposed. Grants count at once, so that a grant token is
only checked to be one of ours. A policy's principals are checked for their form, not for whether they exist.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.kms import (
    aliases,
    conditions,
    data_keys,
    encryption,
    granting,
    grants,
    importing,
    keys,
    names,
    pairing,
    policies,
    reencryption,
    regions,
    rotation,
    tags,
    tasks,
    uses,
)

SERVICE = Service(
    "kms",
    modules=[
        keys,
        aliases,
        encryption,
        reencryption,
        data_keys,
        pairing,
        grants,
        policies,
        rotation,
        importing,
        regions,
        tags,
        uses,
        tasks,
    ],
    resources=[
        Resource(
            "key",
            arn=names.arn_of_request,
            tags=names.tags_of,
            policy=names.policy_of,
            policy_required=True,
            grants=granting.speaking,
        ),
        Resource("alias", arn=names.alias_of_request),
    ],
    conditions=conditions.CONDITIONS,
)
