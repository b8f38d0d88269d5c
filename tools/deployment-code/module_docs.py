"""Compares the tables in the README of a Terraform module with its code; with --write, writes them.

    module_docs.py [--write] FOLDER

The tables are those of `terraform-docs markdown table`. The code must be formatted by `terraform fmt`.
"""

import json
import re
import sys
from pathlib import Path

BEGIN, END = "<!-- BEGIN_TF_DOCS -->", "<!-- END_TF_DOCS -->"
REGISTRY = "https://registry.terraform.io/providers/hashicorp/aws/latest/docs"
ARGUMENT = re.compile(r"^  (\w+) += (.*)$")


def blocks(text, kind):
    """The blocks of this kind at the top level: (labels, lines)."""
    pattern = rf'^{kind} ((?:"\w+" ?)+)\{{(?:\n(.*?)^)?\}}$'
    return [(re.findall(r'"(\w+)"', labels), body.splitlines()) for labels, body in re.findall(pattern, text, re.M | re.S)]


def arguments(lines):
    """The arguments of a block: name → its text, which may have several lines."""
    found, lines = {}, iter(lines)
    for line in lines:
        match = ARGUMENT.match(line)
        if not match:
            continue
        name, value = match.groups()
        if heredoc := re.fullmatch(r"<<-(\w+)", value):
            value = [part.strip() for part in iter(lambda: next(lines), f"  {heredoc[1]}")]
            found[name] = json.dumps("\n".join(value))
            continue
        while value.count("{") + value.count("[") > value.count("}") + value.count("]"):
            value += "\n" + next(lines)
        found[name] = value
    return found


def cell(text):
    return re.sub(r"([_*|<>])", r"\\\1", text).replace("\n", "<br/>")


def code(text):
    return f"<pre>{text.replace(chr(10), '<br/>')}</pre>" if "\n" in text else f"`{text}`"


def default(text):
    value = json.loads(text)
    return code(json.dumps(value, indent=2) if value else text)


def table(head, rows):
    return "\n".join([f"| {' | '.join(name for name, _ in head)} |", f"|{'|'.join(line for _, line in head)}|", *rows])


def anchor(kind, name):
    return f'<a name="{kind}_{name}"></a> [{cell(name)}](#{kind}\\_{cell(name)})'


def tables(folder):
    text = "\n".join(path.read_text() for path in sorted(Path(folder).glob("*.tf")))
    terraform = re.search(r'required_version = "(.*)"', text)[1]
    aws = re.search(r'version = "(.*)"\n +\}', text)[1]
    versions = [("Name", "------"), ("Version", "---------")]
    yield "Requirements", table(versions, [
        f"| {anchor('requirement', name)} | {version} |" for name, version in [("terraform", terraform), ("aws", aws)]
    ])
    yield "Providers", table(versions, [f"| {anchor('provider', 'aws')} | {aws} |"])
    yield "Modules", "No modules."
    resources = [(labels, "resource", "resources") for labels, _ in blocks(text, "resource")]
    resources += [(labels, "data source", "data-sources") for labels, _ in blocks(text, "data")]
    yield "Resources", table([("Name", "------"), ("Type", "------")], [
        f"| [{kind}.{name}]({REGISTRY}/{where}/{kind.removeprefix('aws_')}) | {word} |"
        for (kind, name), word, where in sorted(resources, key=lambda one: (one[1] != "resource", one[0]))
    ])
    inputs = []
    for (name,), body in sorted(blocks(text, "variable")):
        about = arguments(body)
        given = default(about["default"]) if "default" in about else "n/a"
        description = cell(json.loads(about["description"]))
        required = "no" if "default" in about else "yes"
        inputs.append(f"| {anchor('input', name)} | {description} | {code(about['type'])} | {given} | {required} |")
    head = [("Name", "------"), ("Description", "-------------"), ("Type", "------"), ("Default", "---------"), ("Required", ":--------:")]
    yield "Inputs", table(head, inputs)
    yield "Outputs", table([("Name", "------"), ("Description", "-------------")], [
        f"| {anchor('output', name)} | {cell(json.loads(arguments(body)['description']))} |"
        for (name,), body in sorted(blocks(text, "output"))
    ])


def main():
    *options, folder = sys.argv[1:]
    file = Path(folder) / "README.md"
    text = file.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    wanted = "\n\n".join(f"## {title}\n\n{body}" for title, body in tables(folder))
    wanted = f"{before}{BEGIN}\n{wanted}\n{END}{after}"
    if options == ["--write"]:
        file.write_text(wanted)
        return
    if wanted != text:
        sys.exit(f"the tables in {file} are not those of the code; run tools/deployment-code/module_docs.py --write {folder}")


if __name__ == "__main__":
    main()
