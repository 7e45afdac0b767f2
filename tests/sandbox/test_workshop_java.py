"""Java functions."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fogbank.sandbox.function import Function
from fogbank.sandbox.runtimes import NotHere, javas

from .shop import Shop, function


def _here() -> str:
    for major in ("25", "21", "17"):
        try:
            javas.find(major)
        except NotHere:
            continue
        return major
    return ""


HERE = _here()
pytestmark = pytest.mark.skipif(not HERE, reason="there is no JDK")

# What functions get from aws-lambda-java-core, which is in their own jar.
CORE = {
    "Context": """public interface Context { String getAwsRequestId(); String getFunctionName(); int getRemainingTimeInMillis();
        int getMemoryLimitInMB(); LambdaLogger getLogger(); String getInvokedFunctionArn(); CognitoIdentity getIdentity(); }""",
    "LambdaLogger": "public interface LambdaLogger { void log(String message); }",
    "CognitoIdentity": "public interface CognitoIdentity { String getIdentityId(); }",
    "RequestHandler": "public interface RequestHandler<I, O> { O handleRequest(I input, Context context); }",
    "RequestStreamHandler": """public interface RequestStreamHandler {
        void handleRequest(java.io.InputStream in, java.io.OutputStream out, Context context) throws java.io.IOException; }""",
}
SOURCE = """
package app;
import com.amazonaws.services.lambda.runtime.*;
import java.util.*;
public class App implements RequestHandler<App.Order, App.Receipt> {
    public static class Item { private String name; private int count; public void setName(String n) { name = n; }
        public void setCount(int c) { count = c; } public String getName() { return name; } public int getCount() { return count; } }
    public static class Order { private List<Item> items; private Map<String, Long> prices;
        public void setItems(List<Item> i) { items = i; }
        public void setPrices(Map<String, Long> p) { prices = p; } }
    public record Receipt(long total, List<Item> items, boolean paid, String note) {}
    public Receipt handleRequest(Order order, Context context) {
        long total = 0;
        for (Item item : order.items) total += item.getCount() * order.prices.get(item.getName());
        context.getLogger().log("counted");
        System.out.println("printed");
        return new Receipt(total, order.items, false, null);
    }
    public Map<String, Object> seen(Map<String, Object> event, Context c) {
        return Map.of("event", event, "id", c.getAwsRequestId(), "name", c.getFunctionName(), "memory", c.getMemoryLimitInMB(),
            "left", c.getRemainingTimeInMillis() > 0, "identity", c.getIdentity().getIdentityId());
    }
    public String text(String event) { return "got " + event; }
    public int[] numbers(List<Integer> event) { return event.stream().mapToInt(i -> i + 1).toArray(); }
    public static void nothing(Object event) { }
    public String bad(String event) { throw new IllegalStateException("bad " + event, new RuntimeException("why")); }
    public void exit(Object event) { System.exit(4); }
    public static class Stream implements RequestStreamHandler {
        public void handleRequest(java.io.InputStream in, java.io.OutputStream out, Context context) throws java.io.IOException {
            out.write(("{\\"len\\":" + in.readAllBytes().length + "}").getBytes());
        }
    }
    public static class Broken { public Broken() { throw new IllegalArgumentException("no beginning"); } public void run(Object o) {} }
}
"""


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The function's archive."""
    folder: Path = tmp_path_factory.mktemp("java")
    core = "com/amazonaws/services/lambda/runtime"
    sources = {f"{core}/{name}.java": f"package {core.replace('/', '.')}; {text}" for name, text in CORE.items()}
    for name, text in (sources | {"app/App.java": SOURCE}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    home, _ = javas.find(HERE)
    subprocess.run([f"{home}/bin/javac", *map(str, folder.rglob("*.java"))], check=True, capture_output=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.class")}


def java(classes: dict[str, bytes], handler: str, **members: Any) -> Function:
    return function(classes, runtime=f"java{HERE}", handler=handler, **{"memory_mb": 512, "timeout_ms": 30_000, **members})


def test_typed_handler(shop: Shop, classes: dict[str, bytes]) -> None:
    """A RequestHandler gets its own type, made by setters, and its result is written by getters or a record's parts."""
    order = {"items": [{"name": "a", "count": 2}, {"name": "b", "count": 1}], "prices": {"a": 3, "b": 10_000_000_000}}
    typed = java(classes, "app.App")
    outcome = shop.invoke(typed, json.dumps(order).encode())
    assert json.loads(outcome.payload) == {"total": 10_000_000_006, "items": order["items"], "paid": False, "note": None}
    assert {"counted", "printed"} <= set(shop.lines(typed))
    assert not shop.invoke(typed, json.dumps(order).encode()).cold


@pytest.mark.parametrize(
    ("method", "event", "expected"),
    [
        ("text", "h\u00e9\n", "got h\u00e9\n"),
        ("numbers", [1, 2], [2, 3]),
        ("nothing", {"a": [1.5, None, True]}, None),
    ],
)
def test_methods(shop: Shop, classes: dict[str, bytes], method: str, event: Any, expected: Any) -> None:
    """Any public method will do, with text, numbers, lists and maps."""
    outcome = shop.invoke(java(classes, f"app.App::{method}"), json.dumps(event).encode())
    assert json.loads(outcome.payload) == expected


def test_context(shop: Shop, classes: dict[str, bytes]) -> None:
    """The context is the interface of the function's own library."""
    event = {"deep": [{"x": 1.25}], "u": "\u00fc"}
    outcome = shop.invoke(
        java(classes, "app.App::seen"), json.dumps(event).encode(), request_id="r", identity='{"cognitoIdentityId": "me"}'
    )
    assert json.loads(outcome.payload) == {"event": event, "id": "r", "name": "tried", "memory": 512, "left": True, "identity": "me"}


def test_streams(shop: Shop, classes: dict[str, bytes]) -> None:
    """A RequestStreamHandler reads and writes bytes."""
    assert json.loads(shop.invoke(java(classes, "app.App$Stream"), b"[1, 2]").payload) == {"len": 6}


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("app.App::bad", "java.lang.IllegalStateException", "bad x"),
        ("app.Nowhere::x", "java.lang.ClassNotFoundException", "Class not found: app.Nowhere"),
        ("app.App::missing", "java.lang.NoSuchMethodException", "No public method named missing on class class app.App"),
        ("app.App$Broken::run", "java.lang.IllegalArgumentException", "no beginning"),
    ],
)
def test_failures(shop: Shop, classes: dict[str, bytes], handler: str, kind: str, message: str) -> None:
    """Exceptions are told with class, message and cause."""
    outcome = shop.invoke(java(classes, handler), b'"x"')
    said = json.loads(outcome.payload)
    assert (said["errorType"], said["errorMessage"], outcome.error_type) == (kind, message, kind)
    assert ("cause" in said) == (handler == "app.App::bad")


def test_exit(shop: Shop, classes: dict[str, bytes]) -> None:
    """A runtime that ends is told as such."""
    outcome = shop.invoke(java(classes, "app.App::exit"), request_id="r")
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: r Error: Runtime exited with error: exit status 4"


def test_missing_version(shop: Shop) -> None:
    """A version that is not on the machine is refused with what to install."""
    outcome = shop.invoke(function({}, runtime="java99", handler="x"))
    assert (outcome.refused, b"openjdk-99-jdk" in outcome.payload) == ("runtime", True)
