"""Event data stores: what CloudTrail Lake keeps, for how long, and under which key."""

from __future__ import annotations

from typing import Any

from fogbank.access import grammar
from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.cloudtrail import selectors
from fogbank.services.cloudtrail.keeping import DAY_MS, acting, arn_of, encryption
from fogbank.services.cloudtrail.state import BATCHES, INGESTING, PENDING_DELETION, QUERIES, QUERIES_BY_STORE, STOPPED, STORES, Store
from fogbank.store.tables import change

_LIMIT = 10
_DELETED_AFTER_MS = 7 * DAY_MS
_LONGEST_DAYS = {"EXTENDABLE_RETENTION_PRICING": 3653, "FIXED_RETENTION_PRICING": 2557}
_DEFAULT_DAYS = {"EXTENDABLE_RETENTION_PRICING": 366, "FIXED_RETENTION_PRICING": 2557}
_DEFAULT_SELECTORS: tuple[dict[str, Any], ...] = (
    {"Name": "Default management events", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
)


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidParameterException", message)


def get_store(ctx: Context, name: str) -> Store | None:
    """The store with an ARN or an id, in this region."""
    return STORES.get(ctx, ctx.account, ctx.region, name.rpartition("/")[2])


def store_at(ctx: Context, name: str, *, active: bool = False) -> Store:
    """Errors: EventDataStoreARNInvalidException, EventDataStoreNotFoundException, InactiveEventDataStoreException."""
    if name.startswith("arn:") and ":eventdatastore/" not in name:
        raise ServiceException("EventDataStoreARNInvalidException", f"{name} is not a valid event data store ARN.")
    found = get_store(ctx, name)
    if found is None or (name.startswith("arn:") and arn_of(found) != name):
        raise ServiceException("EventDataStoreNotFoundException", f"The specified event data store {name} was not found.")
    if active and found.status == PENDING_DELETION:
        raise ServiceException("InactiveEventDataStoreException", f"The event data store {name} is pending deletion.")
    return found


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    found = get_store(ctx, arn)
    return found.tags if found is not None else None


def policy_of(ctx: Context, arn: str) -> str | None:
    found = get_store(ctx, arn)
    return found.policy or None if found is not None else None


def describe(store: Store) -> dict[str, Any]:
    return {
        "EventDataStoreArn": arn_of(store),
        "Name": store.name,
        "Status": store.status,
        "AdvancedEventSelectors": list(store.selectors),
        "MultiRegionEnabled": store.multi_region,
        "OrganizationEnabled": False,
        "RetentionPeriod": store.retention_days,
        "TerminationProtectionEnabled": store.protected,
        "CreatedTimestamp": store.created_at_ms,
        "UpdatedTimestamp": store.updated_at_ms,
        "KmsKeyId": store.key or None,
        "BillingMode": store.billing,
    }


def _of_account(ctx: Context) -> list[Store]:
    return list(STORES.scan(ctx, ctx.account, ctx.region))


def _make_room(ctx: Context) -> None:
    if sum(store.status != PENDING_DELETION for store in _of_account(ctx)) >= _LIMIT:
        message = f"The maximum number of event data stores ({_LIMIT}) has been reached."
        raise ServiceException("EventDataStoreMaxLimitExceededException", message)


@operation("CreateEventDataStore")
def create_event_data_store(ctx: Context, req: Any) -> Answer:
    """Makes a store of events, which takes in what its selectors want from now on, unless StartIngestion is false. Up to ten a region.

    Kept for 366 days (7 to 3653; with fixed pricing 2557, up to as many). The KMS key's policy must let cloudtrail.amazonaws.com use it.
    Errors: EventDataStoreAlreadyExistsException, EventDataStoreMaxLimitExceededException, InvalidEventSelectorsException,
    InvalidParameterException, InsufficientEncryptionPolicyException, KmsKeyNotFoundException. Source: API reference, CreateEventDataStore.
    """
    _make_room(ctx)
    billing = req.BillingMode or "EXTENDABLE_RETENTION_PRICING"
    store = Store(
        account=ctx.account,
        region=ctx.region,
        id=ctx.random.uuid(),
        name="",
        status=STOPPED if req.StartIngestion is False else INGESTING,
        selectors=_DEFAULT_SELECTORS,
        billing=billing,
        retention_days=_DEFAULT_DAYS[billing],
        created_at_ms=ctx.now,
        tags={tag.Key: tag.Value or "" for tag in req.TagsList or ()},
    )
    store = _changed(ctx, store, req)
    STORES.put(ctx, store)
    return {**describe(store), "TagsList": [{"Key": k, "Value": v} for k, v in store.tags.items()]}


@operation("UpdateEventDataStore")
def update_event_data_store(ctx: Context, req: Any) -> Answer:
    """Changes what is given of a store. A KMS key, once there, can be neither removed nor changed.

    Errors: those of CreateEventDataStore, EventDataStoreNotFoundException, InactiveEventDataStoreException.
    """
    store = store_at(ctx, req.EventDataStore, active=True)
    if req.KmsKeyId is not None and store.key:
        raise ServiceException("OperationNotPermittedException", "The KMS key of an event data store cannot be changed.")
    if req.BillingMode == "FIXED_RETENTION_PRICING" and store.billing != req.BillingMode:
        raise invalid("The billing mode can only be changed from fixed to extendable retention pricing.")
    changed = _changed(ctx, store, req)
    STORES.put(ctx, changed)
    if changed.retention_days < store.retention_days:
        ctx.later("cloudtrail.retain", {"region": store.region, "id": store.id})
    return describe(changed)


def _changed(ctx: Context, store: Store, req: Any) -> Store:
    """The store with what a request gives."""
    if req.OrganizationEnabled:
        raise NotImplementedOperation("cloudtrail", ctx.operation, "with OrganizationEnabled")
    if req.Name is not None and any(one.name == req.Name and one.id != store.id for one in _of_account(ctx)):
        raise ServiceException("EventDataStoreAlreadyExistsException", f"An event data store with the name {req.Name} already exists.")
    fields: dict[str, Any] = {
        "name": req.Name,
        "multi_region": req.MultiRegionEnabled,
        "protected": req.TerminationProtectionEnabled,
        "retention_days": req.RetentionPeriod,
        "billing": req.BillingMode,
        "selectors": selectors.advanced(req.AdvancedEventSelectors) if req.AdvancedEventSelectors else None,
    }
    store = change(store, updated_at_ms=ctx.now, **{name: value for name, value in fields.items() if value is not None})
    if store.retention_days > _LONGEST_DAYS[store.billing]:
        raise invalid(f"The retention period must be between 7 and {_LONGEST_DAYS[store.billing]} days.")
    return _under_key(ctx, store, req.KmsKeyId) if req.KmsKeyId else store


def _under_key(ctx: Context, store: Store, name: str) -> Store:
    """The store with a data key of a KMS key. Errors: KmsKeyNotFoundException, InsufficientEncryptionPolicyException."""
    try:
        store = change(store, key=ctx.call("kms", "DescribeKey", {"KeyId": name})["KeyMetadata"]["Arn"])
    except ServiceException as refused:
        raise ServiceException("KmsKeyNotFoundException", refused.message) from None
    members = {"KeyId": store.key, "KeySpec": "AES_256", "EncryptionContext": encryption(store)}
    try:
        made = ctx.call("kms", "GenerateDataKeyWithoutPlaintext", members, acting=acting(store))
        opened = {"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": encryption(store)}
        ctx.call("kms", "Decrypt", opened, acting=acting(store))
    except ServiceException as refused:
        raise ServiceException("InsufficientEncryptionPolicyException", refused.message) from None
    return change(store, data_key=made["CiphertextBlob"])


@operation("GetEventDataStore")
def get_event_data_store(ctx: Context, req: Any) -> Answer:
    """A store. Errors: EventDataStoreARNInvalidException, EventDataStoreNotFoundException."""
    return {**describe(store_at(ctx, req.EventDataStore)), "FederationStatus": "DISABLED"}


@operation("ListEventDataStores")
def list_event_data_stores(ctx: Context, req: Any) -> Answer:
    """The stores of this region. Errors: InvalidNextTokenException."""
    after = paging.place(req.NextToken, lambda: ServiceException("InvalidNextTokenException", "Invalid next token."))
    found, token = paging.named(STORES.scan(ctx, ctx.account, ctx.region, after=after), req.MaxResults or 1000, lambda s: s.id)
    return {"EventDataStores": [describe(store) for store in found], "NextToken": token}


@operation("DeleteEventDataStore")
def delete_event_data_store(ctx: Context, req: Any) -> Answer:
    """Has a store go in seven days, until when it can be restored; it takes in and answers nothing meanwhile.

    Errors: EventDataStoreTerminationProtectedException, InactiveEventDataStoreException, EventDataStoreNotFoundException.
    """
    store = store_at(ctx, req.EventDataStore, active=True)
    if store.protected:
        message = "The event data store cannot be deleted because termination protection is enabled for it."
        raise ServiceException("EventDataStoreTerminationProtectedException", message)
    STORES.put(ctx, change(store, status=PENDING_DELETION, deleted_at_ms=ctx.now, updated_at_ms=ctx.now))
    payload = {"region": store.region, "id": store.id, "deleted_at_ms": ctx.now}
    ctx.later("cloudtrail.purge", payload, at_ms=ctx.now + _DELETED_AFTER_MS)
    return {}


@operation("RestoreEventDataStore")
def restore_event_data_store(ctx: Context, req: Any) -> Answer:
    """Takes a deletion back. Errors: InvalidEventDataStoreStatusException, EventDataStoreMaxLimitExceededException."""
    store = store_at(ctx, req.EventDataStore)
    if store.status != PENDING_DELETION:
        message = "The event data store must be pending deletion to be restored."
        raise ServiceException("InvalidEventDataStoreStatusException", message)
    _make_room(ctx)
    store = change(store, status=INGESTING, deleted_at_ms=0, updated_at_ms=ctx.now)
    STORES.put(ctx, store)
    return describe(store)


def _ingestion(ctx: Context, name: str, now: str, then: str) -> Answer:
    store = store_at(ctx, name)
    if store.status != now:
        message = f"The event data store has the status {store.status}, not {now}."
        raise ServiceException("InvalidEventDataStoreStatusException", message)
    STORES.put(ctx, change(store, status=then, updated_at_ms=ctx.now))
    return {}


@operation("StartEventDataStoreIngestion")
def start_event_data_store_ingestion(ctx: Context, req: Any) -> Answer:
    """Takes events in again. Errors: InvalidEventDataStoreStatusException, EventDataStoreNotFoundException."""
    return _ingestion(ctx, req.EventDataStore, STOPPED, INGESTING)


@operation("StopEventDataStoreIngestion")
def stop_event_data_store_ingestion(ctx: Context, req: Any) -> Answer:
    """Takes no more events in; those there stay. Errors: InvalidEventDataStoreStatusException, EventDataStoreNotFoundException."""
    return _ingestion(ctx, req.EventDataStore, INGESTING, STOPPED)


# with time


@task("purge")
def purge(ctx: Context, payload: Any) -> None:
    """Removes a store whose seven days are over, with its events and queries."""
    store = STORES.get(ctx, ctx.account, payload["region"], payload["id"])
    if store is None or store.deleted_at_ms != payload["deleted_at_ms"]:
        return
    where = store.account, store.region, store.id
    for batch in list(BATCHES.scan(ctx, *where)):
        BATCHES.delete(ctx, batch)
    for query in list(QUERIES_BY_STORE.scan(ctx, *where)):
        QUERIES.delete(ctx, query)
    STORES.delete(ctx, store)


@task("retain")
def retain(ctx: Context, payload: Any) -> None:
    """Forgets a store's events that are older than its retention, and comes back when the next will be."""
    store = STORES.get(ctx, ctx.account, payload["region"], payload["id"])
    if store is None:
        return
    kept_ms = store.retention_days * DAY_MS
    for batch in BATCHES.scan(ctx, store.account, store.region, store.id):
        if batch.until_ms + kept_ms > ctx.now:
            ctx.later("cloudtrail.retain", payload, at_ms=batch.until_ms + kept_ms)
            return
        BATCHES.delete(ctx, batch)


# policies


def _with_policy(ctx: Context, arn: str) -> Store:
    """Errors: ResourceTypeNotSupportedException, ResourceNotFoundException."""
    if ":eventdatastore/" not in arn:
        raise ServiceException("ResourceTypeNotSupportedException", "Resource-based policies are supported for event data stores alone.")
    found = get_store(ctx, arn)
    if found is None or arn_of(found) != arn:
        raise ServiceException("ResourceNotFoundException", f"The resource {arn} does not exist.")
    return found


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Gives an event data store a policy, which counts on every call about it.

    Errors: ResourcePolicyNotValidException, ResourceTypeNotSupportedException, ResourceNotFoundException.
    """
    store = _with_policy(ctx, req.ResourceArn)
    try:
        grammar.read(req.ResourcePolicy, "resource")
    except ServiceException as problem:
        raise ServiceException("ResourcePolicyNotValidException", problem.message) from None
    STORES.put(ctx, change(store, policy=req.ResourcePolicy))
    return {"ResourceArn": req.ResourceArn, "ResourcePolicy": req.ResourcePolicy}


@operation("GetResourcePolicy")
def get_resource_policy(ctx: Context, req: Any) -> Answer:
    """A store's policy. Errors: ResourcePolicyNotFoundException, ResourceNotFoundException."""
    store = _with_policy(ctx, req.ResourceArn)
    if not store.policy:
        raise _no_policy(req.ResourceArn)
    return {"ResourceArn": req.ResourceArn, "ResourcePolicy": store.policy}


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Removes a store's policy. Errors: ResourcePolicyNotFoundException, ResourceNotFoundException."""
    store = _with_policy(ctx, req.ResourceArn)
    if not store.policy:
        raise _no_policy(req.ResourceArn)
    STORES.put(ctx, change(store, policy=""))
    return {}


def _no_policy(arn: str) -> ServiceException:
    return ServiceException("ResourcePolicyNotFoundException", f"The resource {arn} has no resource-based policy.")
