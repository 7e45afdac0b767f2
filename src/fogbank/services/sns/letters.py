"""What leaves the cloud for people and devices: an outbox that can be looked at.

Nothing goes further. `listed` gives what is there, newest first, with its text: the mail with its confirmation link, the text message with
its password, the notification as its platform would get it. It stays for LETTER_DAYS.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.sns import envelopes
from fogbank.services.sns.rendering import Parcel, Target
from fogbank.services.sns.state import LETTER_DAYS, LETTERS, Letter
from fogbank.store.tables import At
from fogbank.store.vault import Seal

_DAY_MS = 86_400_000
_CONTEXT = b"sns.letters"
LISTED_LIMIT = 1000


def post(
    ctx: Context,
    account: str,
    region: str,
    *,
    channel: str,
    destination: str,
    sender: str,
    message_id: str,
    text: str,
    subject: str = "",
    source_arn: str = "",
) -> None:
    """Puts one into the outbox, and takes up to two out that have been there for long."""
    for old in list(islice(LETTERS.scan(ctx, account), 2)):
        if old.at_ms + LETTER_DAYS * _DAY_MS <= ctx.now:
            LETTERS.delete(ctx, old)
    LETTERS.put(
        ctx,
        Letter(
            account=account,
            number=ctx.tx.unique(),
            region=region,
            at_ms=ctx.now,
            channel=channel,
            destination=destination,
            sender=sender,
            message_id=message_id,
            sealed=ctx.vault.seal(text.encode(), _CONTEXT),
            subject=subject,
            source_arn=source_arn,
        ),
    )


def listed(at: At, vault: Seal, count: int = 100) -> list[dict[str, Any]]:
    """The newest letters of all accounts, newest first."""
    newest = islice(sorted(LETTERS.scan(at), key=lambda letter: -letter.number), min(count, LISTED_LIMIT))
    return [
        {
            "account": letter.account,
            "region": letter.region,
            "at": envelopes.instant(letter.at_ms),
            "channel": letter.channel,
            "to": letter.destination,
            "from": letter.sender,
            "subject": letter.subject,
            "text": vault.open(letter.sealed, _CONTEXT).decode(),
            "message_id": letter.message_id,
            "source": letter.source_arn,
        }
        for letter in newest
    ]


def subject_of(parcel: Parcel, target: Target) -> str:
    if target.kind == "SubscriptionConfirmation":
        return "AWS Notification - Subscription Confirmation"
    if target.kind == "UnsubscribeConfirmation":
        return "AWS Notification - Unsubscribe Confirmation"
    return parcel.message.subject or "AWS Notification Message"


def text_of(ctx: Context, parcel: Parcel, target: Target) -> str:
    """The text of a mail, with the link that confirms or ends the subscription."""
    if target.kind != "Notification":
        return f"{parcel.message.body}\n\n{envelopes.subscribe_url(ctx.endpoint, parcel.topic_arn, target.token)}\n"
    link = envelopes.unsubscribe_url(ctx.endpoint, target.subscription_arn)
    return f"{parcel.body('email')}\n\n--\nIf you wish to stop receiving notifications from this topic, please visit:\n{link}\n"
