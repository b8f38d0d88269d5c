"""Reads the AWS provider's schema out of the code that cdktf generated from it.

The provider itself is not needed for that: the package @cdktf/provider-aws has a folder for each resource, whose
index.js names the types, the blocks and the computed attributes, and whose index.d.ts names the required ones.
"""

import json
import re
import sys
import tarfile
from pathlib import Path

TYPES = {
    ("simple", "string"): "string",
    ("simple", "number"): "number",
    ("simple", "boolean"): "bool",
    ("list", "stringList"): ["list", "string"],
    ("set", "stringList"): ["set", "string"],
    ("list", "numberList"): ["list", "number"],
    ("set", "numberList"): ["set", "number"],
    ("map", "stringMap"): ["map", "string"],
    ("map", "numberMap"): ["map", "number"],
    ("map", "booleanMap"): ["map", "bool"],
}

# Attributes that the provider sets if the configuration does not. The generated code does not distinguish them from
# attributes that are only optional.
ALSO_COMPUTED = {"arn", "id", "region", "tags_all"}

FIELD = re.compile(
    r"^ {8,12}(?P<name>\w+): \{\n\s+value: .*?\((?P<owner>struct|this)\._?(?P<property>\w+?)(?:\.internalValue)?\),\n"
    r"\s+isBlock: (?P<block>true|false),\n\s+type: \"(?P<type>\w+)\",\n\s+storageClassType: \"(?P<storage>\w+)\",",
    re.MULTILINE,
)
STRUCT = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
TOP = re.compile(r"^    synthesizeHclAttributes\(\) \{\n(.*?)^    \}", re.MULTILINE | re.DOTALL)
COMPUTED = re.compile(
    r"// (\w+) - computed: true, optional: false, required: false\n\s+get \w+\(\) \{\n\s+return (?:this\.|cdktf\.)(\w+)"
)
COMPUTED_TYPES = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getStringMapAttribute": ["map", "string"],
    "getListAttribute": ["list", "string"],
}
INTERFACE = re.compile(r"^export interface (\w+)(?: extends [\w.]+)? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
PROPERTY = re.compile(r"^    readonly (\w+)(\??): (.+)$", re.MULTILINE)


class Unreadable(Exception):
    """The generated code does not have the expected form."""


def interfaces(declarations):
    """The contents of index.d.ts: interface → property → (required, at most one)."""
    found = {}
    for name, body in INTERFACE.findall(declarations):
        found[name] = {field: (mark == "", "[]" not in kind) for field, mark, kind in PROPERTY.findall(body)}
    return found


def block(body, interface, structs, known):
    """One level of a schema: its attributes and the blocks in it."""
    level = {"attributes": {}, "blocks": {}}
    fields = list(FIELD.finditer(body))
    if len(fields) != body.count("isBlock:"):
        raise Unreadable(f"{interface}: {body.count('isBlock:')} fields, of which {len(fields)} can be read")
    for field in fields:
        name, kind, storage = field["name"], field["type"], field["storage"]
        required, single = known[interface][field["property"]]
        if field["block"] == "false":
            if (kind, storage) not in TYPES:
                raise Unreadable(f"{interface}.{name}: {kind} of {storage}")
            level["attributes"][name] = {
                "type": TYPES[kind, storage],
                "required": required,
                "optional": not required,
                "computed": not required and name in ALSO_COMPUTED,
                "write_only": name.endswith("_wo"),
            }
            continue
        struct = storage if kind == "struct" else storage.removesuffix("List")
        inner = block(structs[struct.lower()], struct, structs, known)
        nesting = "single" if kind == "struct" else kind
        level["blocks"][name] = {"nesting": nesting, "required": required, "single": single, "block": inner}
    return level


def read(code, declarations):
    """The schema in one folder of the package: (terraform's name for it, its block)."""
    name = re.search(r"terraformResourceType: '(\w+)'", code)[1]
    class_name = re.search(r"^class (\w+) extends cdktf\.Terraform(?:Resource|DataSource|Provider) ", code, re.M)[1]
    structs = {struct.lower(): body for struct, body in STRUCT.findall(code)}
    known = interfaces(declarations)
    schema = block(TOP.search(code)[1], f"{class_name}Config", structs, known)
    # The attributes of nested classes precede the class itself.
    for attribute, getter in COMPUTED.findall(code[code.index(f"\nclass {class_name} ") :]):
        if getter in COMPUTED_TYPES:
            schema["attributes"][attribute] = {"type": COMPUTED_TYPES[getter], "computed": True}
    return name, schema


def used(folder):
    """The folders of the package that a Terraform configuration needs."""
    text = "\n".join(path.read_text() for path in sorted(Path(folder).rglob("*.tf")))
    dashed = lambda names: {name.replace("_", "-") for name in names}
    resources = dashed(re.findall(r'^resource "aws_(\w+)"', text, re.M))
    data = dashed(re.findall(r'^data "aws_(\w+)"', text, re.M))
    return sorted(resources), [f"data-aws-{name}" for name in sorted(data)]


def unpack(package, folders):
    """The generated code in these folders of the package: folder → (index.js, index.d.ts)."""
    wanted = {f"package/lib/{folder}/{file}" for folder in folders for file in ("index.js", "index.d.ts")}
    found = {}
    with tarfile.open(package) as archive:
        for member in archive:
            if member.name in wanted:
                found[member.name] = archive.extractfile(member).read().decode()
    for folder in folders:
        if f"package/lib/{folder}/index.js" not in found:
            raise Unreadable(f"the provider has no {folder}")
    return {folder: tuple(found[f"package/lib/{folder}/{file}"] for file in ("index.js", "index.d.ts")) for folder in folders}


def main():
    package, configuration, out = sys.argv[1:]
    resources, data = used(configuration)
    code = unpack(package, ["provider", *resources, *data])
    schema = {
        "provider": read(*code["provider"])[1],
        "resources": dict(read(*code[folder]) for folder in resources),
        "data_sources": dict(read(*code[folder]) for folder in data),
    }
    Path(out).write_text(json.dumps(schema, indent=1))


if __name__ == "__main__":
    try:
        main()
    except Unreadable as error:
        sys.exit(f"schema.py: {error}")
