"""Code bindings: what is in the zip really works."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from fogbank.services.schemas.code import program
from fogbank.testing.cloud import Cloud

from .conftest import EXAMPLE, create, refused

WHERE = {"RegistryName": "shop", "SchemaName": "shop@Order"}


def unpacked(cloud: Cloud, schemas: Any, language: str, folder: Path, **where: str) -> Path:
    """The code of the schema, in a folder."""
    where = where or WHERE
    assert schemas.put_code_binding(**where, Language=language)["Status"] == "CREATE_IN_PROGRESS"
    cloud.settle()
    assert schemas.describe_code_binding(**where, Language=language)["Status"] == "CREATE_COMPLETE"
    body = schemas.get_code_binding_source(**where, Language=language)["Body"].read()
    ZipFile(io.BytesIO(body)).extractall(folder)
    return folder


def test_states(cloud: Cloud, schemas: Any, registry: str) -> None:
    """Code is there when it was asked for; of a schema without objects there is none; languages are AWS's."""
    create(schemas)
    assert refused(schemas.describe_code_binding, **WHERE, Language="Python36")[0] == "NotFoundException"
    assert refused(schemas.get_code_binding_source, **WHERE, Language="Python36")[0] == "NotFoundException"
    assert refused(schemas.put_code_binding, **WHERE, Language="Cobol60")[0] == "BadRequestException"
    first = schemas.put_code_binding(**WHERE, Language="Python36")
    cloud.advance(1)
    again = schemas.put_code_binding(**WHERE, Language="Python36")
    assert (again["CreationDate"], again["Status"], again["SchemaVersion"]) == (first["CreationDate"], "CREATE_COMPLETE", "1")
    create(schemas, "text", {"type": "string"}, Type="JSONSchemaDraft4")
    where = {"RegistryName": "shop", "SchemaName": "text", "Language": "Go1"}
    schemas.put_code_binding(**where)
    cloud.settle()
    assert schemas.describe_code_binding(**where)["Status"] == "CREATE_FAILED"
    assert refused(schemas.get_code_binding_source, **where)[0] == "NotFoundException"


def test_python(cloud: Cloud, schemas: Any, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python package's marshaller reads an event into objects and writes it again, the same."""
    create(schemas)
    monkeypatch.syspath_prepend(str(unpacked(cloud, schemas, "Python36", tmp_path)))
    from schema.shop.order import AWSEvent, Line, Marshaller, Order  # type: ignore[import-not-found]

    event = Marshaller.unmarshall(EXAMPLE, AWSEvent)
    assert isinstance(event.detail, Order)
    assert isinstance(event.detail.lines[0].parts[0], Line)
    assert (event.detail_type, event.time.hour, event.detail.class_) == ("Order", 7, True)
    assert event.detail.marks["packed"] == event.time
    assert Marshaller.marshall(event) == EXAMPLE
    assert event == Marshaller.unmarshall(json.loads(json.dumps(EXAMPLE)), AWSEvent)
    assert Marshaller.marshall(AWSEvent(detail=Order(id=1))) == {"detail": {"id": 1}}
    for name in [name for name in sys.modules if name.partition(".")[0] == "schema"]:
        del sys.modules[name]


def test_published(cloud: Cloud, schemas: Any, tmp_path: Path) -> None:
    """There is code for AWS's own schemas, too, laid out by their names."""
    where = {"RegistryName": "aws.events", "SchemaName": "aws.s3@ObjectCreated"}
    unpacked(cloud, schemas, "Python36", tmp_path, **where)
    assert (tmp_path / "schema/aws/s3/object_created/object_created.py").exists()
    text = (tmp_path / "schema/aws/s3/object_created/object_created.py").read_text()
    assert "('source_ip_address', 'source-ip-address', ('string', None))" in text


def test_json_schema(cloud: Cloud, schemas: Any, registry: str, tmp_path: Path) -> None:
    """A JSON Schema has code, too: its root is a class by its title."""
    item = {"type": "object", "properties": {"at": {"type": ["string", "null"], "format": "date-time"}}}
    root = {"title": "Basket", "type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "#/definitions/Item"}}}}
    create(schemas, "shop@Basket", {**root, "definitions": {"Item": item}}, Type="JSONSchemaDraft4")
    unpacked(cloud, schemas, "Go1", tmp_path, RegistryName="shop", SchemaName="shop@Basket")
    folder = tmp_path / "schema/shop/basket"
    assert "\tItems *[]Item" not in (folder / "basket.go").read_text()
    assert '\tItems []Item `json:"items,omitempty"`' in (folder / "basket.go").read_text()
    assert '\tAt *time.Time `json:"at,omitempty"`' in (folder / "item.go").read_text()
    assert "func Unmarshal(data []byte) (Basket, error)" in (folder / "marshaller.go").read_text()


JAVA = """
import schema.shop.order.AWSEvent;
import schema.shop.order.marshaller.Marshaller;

public class Main {
    public static void main(String[] arguments) throws Exception {
        AWSEvent event = Marshaller.unmarshalEvent(System.in);
        if (!event.getDetail().getLines().get(0).getParts().get(0).getSku().equals("b\\"c") || event.getTime().getHour() != 7) {
            throw new AssertionError(event.toString());
        }
        Marshaller.marshal(System.out, event);
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a Java compiler")
def test_java(cloud: Cloud, schemas: Any, registry: str, tmp_path: Path) -> None:
    """The Java classes compile with nothing but Java, and read and write an event, the same."""
    create(schemas)
    unpacked(cloud, schemas, "Java8", tmp_path)
    (tmp_path / "Main.java").write_text(JAVA)
    sources = [str(path) for path in tmp_path.rglob("*.java")]
    subprocess.run(["javac", "--release", "8", "-Xlint:-options", "-encoding", "UTF-8", "-d", str(tmp_path), *sources], check=True)
    ran = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", str(tmp_path), "Main"],
        input=json.dumps(EXAMPLE).encode(),
        capture_output=True,
        check=True,
    )
    assert json.loads(ran.stdout) == EXAMPLE


def as_javascript(text: str) -> str:
    """The code without its types: what a TypeScript compiler would leave, of the little that is used here."""
    text = re.sub(r"export interface \w+ \{.*?\n\}\n", "", text, flags=re.DOTALL)
    text = re.sub(r"import \{ (Field|Kind) \}.*\n", "", text)
    text = re.sub(r"^    (\w+)[!?]: .*;$", r"", text, flags=re.MULTILINE)
    text = re.sub(r"(static|private static) readonly ", "static ", text).replace("private static", "static")
    text = re.sub(r"\bkind\.(\w+) as \w+", r"kind.\1", text)
    text = re.sub(r"(\w+): (any|string|Kind|Field\[\]|\{ \[name: string\]: any \})(?=[,)]| =)", r"\1", text)
    return re.sub(r"\): any \{", ") {", text)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_typescript(cloud: Cloud, schemas: Any, registry: str, tmp_path: Path) -> None:
    """The TypeScript classes and their marshaller read an event and write it again, the same."""
    create(schemas)
    unpacked(cloud, schemas, "TypeScript3", tmp_path)
    for path in tmp_path.rglob("*.ts"):
        text = as_javascript(path.read_text())
        path.with_suffix(".mjs").write_text(re.sub(r'from "(\..*)"', r'from "\1.mjs"', text))
    main = f"""
        import {{ Marshaller, Line }} from "./schema/shop/order/index.mjs";
        const event = Marshaller.unmarshall({json.dumps(EXAMPLE)}, "AWSEvent");
        if (!(event.time instanceof Date) || !(event.detail.lines[0].parts[0] instanceof Line) || event.detailType !== "Order") {{
            throw new Error(JSON.stringify(event));
        }}
        console.log(JSON.stringify(Marshaller.marshall(event)));
    """
    (tmp_path / "main.mjs").write_text(main)
    ran = subprocess.run(["node", str(tmp_path / "main.mjs")], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert json.loads(ran.stdout.decode().replace(".000Z", "Z")) == EXAMPLE


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("detail-type", ("DetailType", "detailType", "detail_type")),
        ("ObjectCreated", ("ObjectCreated", "objectCreated", "object_created")),
        ("EC2Instance", ("EC2Instance", "ec2Instance", "ec2_instance")),
        ("2nd", ("_2nd", "_2nd", "_2nd")),
        ("é", ("Value", "value", "value")),
    ],
)
def test_names(name: str, spelt: tuple[str, str, str]) -> None:
    """Names are spelt as each language has them."""
    assert (program.pascal(name), program.camel(name), program.snake(name)) == spelt
