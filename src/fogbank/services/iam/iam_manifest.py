"""What IAM does."""

from __future__ import annotations

from fogbank.kernel.operation import Service
from fogbank.services.iam import (
    access_keys,
    account,
    attachments,
    boundaries,
    groups,
    inline_policies,
    instance_profiles,
    linked_roles,
    mfa,
    oidc_providers,
    passwords,
    policies,
    reports,
    roles,
    saml_providers,
    server_certificates,
    service_credentials,
    signing_certificates,
    simulate,
    sources,
    ssh_keys,
    users,
)
from fogbank.services.iam.authorization import CONDITIONS, RESOURCES

IAM = Service(
    "iam",
    modules=[
        users,
        groups,
        roles,
        policies,
        attachments,
        inline_policies,
        boundaries,
        access_keys,
        passwords,
        mfa,
        signing_certificates,
        ssh_keys,
        service_credentials,
        instance_profiles,
        linked_roles,
        server_certificates,
        oidc_providers,
        saml_providers,
        account,
        reports,
        simulate,
        sources,
    ],
    resources=RESOURCES,
    conditions=CONDITIONS,
)
