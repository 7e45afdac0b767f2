"""The model of the data.

A topic is one record, a subscription another, under its topic's account, region and name; both have an `id` of their own for life, so
that nothing left of a deleted one finds its successor.

A message that every target takes at once leaves nothing here. What is still to be delivered is a record of DELIVERIES: one for each target
of each message, with the message sealed, and a task at the instant of the next attempt. On a FIFO topic the deliveries of a group to a
subscription go one after the other: only the first of them has a task.

- DUPLICATES remembers for five minutes what was published to a FIFO topic, ARCHIVED for as long as its ArchivePolicy says.
- LETTERS is what left the cloud: mail, text messages, notifications to devices. They can be looked at for LETTER_DAYS.
- PHONES is what is known of phone numbers in an account (opted out, verified in the sandbox), APPLICATIONS and DEVICES are mobile push.
- SIGNING_KEYS has the one key that signs notifications: its private half sealed.
"""

from __future__ import annotations

from fogbank.store import Record, Table

LETTER_DAYS = 30


class Topic(Record, frozen=True, kw_only=True):
    """`feedback`: where delivery status is logged, by attribute name. `maximum_message_bytes`: 0 where it was not set."""

    account: str
    region: str
    name: str
    id: int
    created_at_ms: int
    policy: str
    fifo: bool = False
    display_name: str = ""
    delivery_policy: str = ""
    kms_key: str = ""
    signature_version: str = ""
    tracing: str = ""
    content_based_deduplication: bool = False
    throughput_scope: str = "Topic"
    archive_policy: str = ""
    archived_since_ms: int = 0
    maximum_message_bytes: int = 0
    feedback: dict[str, str] = {}
    tags: dict[str, str] = {}
    deleted_subscriptions: int = 0
    protection: str = ""


class Subscription(Record, frozen=True, kw_only=True):
    """`owner` is the account that subscribed. `replay_caller`: who asked for the replay, for whom archived messages are opened."""

    account: str
    region: str
    topic: str
    id: str
    number: int
    owner: str
    protocol: str
    endpoint: str
    created_at_ms: int
    confirmed: bool = True
    confirmation_authenticated: bool = True
    authenticate_on_unsubscribe: bool = False
    token: str = ""
    token_at_ms: int = 0
    filter_policy: str = ""
    filter_scope: str = ""
    raw: bool = False
    redrive_policy: str = ""
    delivery_policy: str = ""
    role_arn: str = ""
    replay_policy: str = ""
    replay_status: str = ""
    replay_caller: bytes = b""


class Attribute(Record, frozen=True):
    """A message attribute: text (String, String.Array, Number) or bytes (Binary)."""

    name: str
    type: str
    text: str = ""
    binary: bytes | None = None


class Message(Record, frozen=True, kw_only=True):
    """A message as it was published. `structure`: what MessageStructure json says for each protocol. `sequence`: of FIFO topics."""

    id: str
    at_ms: int
    body: str
    subject: str | None = None
    structure: dict[str, str] | None = None
    attributes: tuple[Attribute, ...] = ()
    group: str = ""
    deduplication_id: str = ""
    sequence: int = 0
    trace: str = ""
    replayed: bool = False


class DataKey(Record, frozen=True, kw_only=True):
    """A data key as KMS sealed it for a topic, and who had it made: as them it is opened again."""

    key_arn: str
    ciphertext: bytes
    topic_arn: str
    caller: bytes


class TopicKey(Record, frozen=True, kw_only=True):
    """The data key that a principal's messages to a topic are sealed under now."""

    topic: int
    principal: str
    kms_key: str
    data_key: DataKey
    made_at_ms: int


class Delivery(Record, frozen=True, kw_only=True):
    """One message on its way to one target.

    `kind` is the Type of what is sent; a confirmation goes to a subscription that is not one yet, or any more, so the record has all
    that it needs. `next_at_ms`: 0 where an earlier delivery of the group is waited for.
    """

    subscription: int
    number: int
    account: str
    region: str
    topic: str
    subscription_id: str
    protocol: str
    endpoint: str
    sealed: bytes
    data_key: DataKey | None = None
    kind: str = "Notification"
    token: str = ""
    group: str = ""
    attempts: int = 0
    begun_at_ms: int = 0
    next_at_ms: int = 0
    policy: str = ""
    error: str = ""


class Duplicate(Record, frozen=True, kw_only=True):
    """What a deduplication id stands for. `scope` is the group, or empty where the whole topic is the scope."""

    topic: int
    scope: str
    deduplication_id: str
    sent_at_ms: int
    message_id: str
    sequence: int


class Archived(Record, frozen=True, kw_only=True):
    """A message in a FIFO topic's archive."""

    topic: int
    at_ms: int
    sequence: int
    sealed: bytes
    data_key: DataKey | None = None


class Letter(Record, frozen=True, kw_only=True):
    """What left the cloud. `channel`: email, email-json, sms, or the push platform; `sealed` its text."""

    account: str
    number: int
    region: str
    at_ms: int
    channel: str
    destination: str
    sender: str
    message_id: str
    sealed: bytes
    subject: str = ""
    source_arn: str = ""


class Phone(Record, frozen=True, kw_only=True):
    """A phone number as an account sees it. `status`: Pending or Verified in the SMS sandbox; "" outside of it."""

    account: str
    region: str
    number: str
    opted_out: bool = False
    opted_in_at_ms: int = 0
    status: str = ""
    password: str = ""
    password_at_ms: int = 0


class SmsSettings(Record, frozen=True, kw_only=True):
    """An account's SMS attributes, and what was spent in a month ("2026-01") in thousandths of a cent."""

    account: str
    region: str
    attributes: dict[str, str] = {}
    month: str = ""
    spent: int = 0


class Application(Record, frozen=True, kw_only=True):
    """A platform application. Its credential is sealed."""

    account: str
    region: str
    platform: str
    name: str
    attributes: dict[str, str] = {}
    credential: bytes = b""
    created_at_ms: int = 0


class Device(Record, frozen=True, kw_only=True):
    """An app on a device: a platform endpoint."""

    account: str
    region: str
    platform: str
    application: str
    id: str
    token: str
    enabled: bool = True
    user_data: str = ""


class SigningKey(Record, frozen=True, kw_only=True):
    name: str = "signing"
    id: str
    certificate: str
    sealed: bytes


TOPICS = Table("sns.topics", Topic, key=("account", "region", "name"))
TOPIC_KEYS = Table("sns.topic_keys", TopicKey, key=("topic", "principal"))

SUBSCRIPTIONS = Table("sns.subscriptions", Subscription, key=("account", "region", "topic", "id"))
BY_OWNER = SUBSCRIPTIONS.index("by_owner", "owner", "region", "number")
BY_TOPIC = SUBSCRIPTIONS.index("by_topic", "account", "region", "topic", "number")
BY_ENDPOINT = SUBSCRIPTIONS.index("by_endpoint", "account", "region", "topic", "protocol", "endpoint")
WITH_FILTER = SUBSCRIPTIONS.index("with_filter", "account", "region", "topic", where=lambda s: s.filter_policy != "")

DELIVERIES = Table("sns.deliveries", Delivery, key=("subscription", "number"))
IN_GROUP = DELIVERIES.index("in_group", "subscription", "group", "number", where=lambda d: d.group != "")
DUPLICATES = Table("sns.duplicates", Duplicate, key=("topic", "scope", "deduplication_id"))
OLDEST_DUPLICATES = DUPLICATES.index("oldest", "topic", "sent_at_ms")
ARCHIVED = Table("sns.archived", Archived, key=("topic", "at_ms", "sequence"))

LETTERS = Table("sns.letters", Letter, key=("account", "number"))
PHONES = Table("sns.phones", Phone, key=("account", "region", "number"))
SMS_SETTINGS = Table("sns.sms_settings", SmsSettings, key=("account", "region"))
APPLICATIONS = Table("sns.applications", Application, key=("account", "region", "platform", "name"))
DEVICES = Table("sns.devices", Device, key=("account", "region", "platform", "application", "id"))
BY_TOKEN = DEVICES.index("by_token", "account", "region", "platform", "application", "token")
SIGNING_KEYS = Table("sns.signing_keys", SigningKey, key=("name",))
