"""Checks samconfig.toml: an unknown key in it, or an unknown parameter of the template, passes sam silently."""

import re
import sys
import tomllib
from pathlib import Path

import click
import yaml
from samcli.cli.command import BaseCommand


class Template(yaml.SafeLoader):
    """CloudFormation's short forms, such as !Ref, are skipped."""


Template.add_multi_constructor("!", lambda loader, suffix, node: suffix)


def options():
    """command → the keys that it accepts."""
    found = {}
    group = BaseCommand()
    # Without an object it returns only the names of the commands.
    context = click.Context(group, obj=object())
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not hasattr(command, "commands"):
            found[name.replace("-", "_")] = {parameter.name for parameter in command.params}
    return found


def parameters(template):
    return yaml.load(Path(template).read_text(), Template)["Parameters"]


def overrides(lines, known, where):
    """The mistakes in parameter_overrides; each is NAME=VALUE."""
    given = {}
    for line in lines:
        name, equals, value = line.partition("=")
        value = value.strip('"')
        if not equals or name not in known:
            yield f"{where}: the template has no parameter '{name}'"
            continue
        given[name] = value
        pattern, values = known[name].get("AllowedPattern"), known[name].get("AllowedValues")
        if pattern and not re.fullmatch(pattern, value):
            yield f"{where}: {name}={value} does not match {pattern}"
        if values and value not in map(str, values):
            yield f"{where}: {name}={value} is not one of {values}"
    for name in sorted(known):
        if "Default" not in known[name] and name not in given:
            yield f"{where}: {name} has no value"


def check(config, template):
    known, commands = parameters(template), options()
    everywhere = set().union(*commands.values())
    if config.pop("version", None) != 0.1:
        yield "version is not 0.1"
    deployed = 0
    for environment, sections in config.items():
        for command, tables in sections.items():
            where = f"[{environment}.{command}]"
            if command != "global" and command not in commands:
                yield f"{where}: sam has no such command"
                continue
            if set(tables) != {"parameters"}:
                yield f"{where}: only the table .parameters is used"
            takes = everywhere if command == "global" else commands[command]
            for key in tables.get("parameters", {}):
                if key not in takes:
                    yield f"{where}: no option '{key}'"
            if command == "deploy":
                deployed += 1
                yield from overrides(tables["parameters"].get("parameter_overrides", []), known, where)
    if deployed != 2:
        yield f"{deployed} environments can be deployed instead of two"


def main():
    file, template = sys.argv[1:]
    wrong = list(check(tomllib.loads(Path(file).read_text()), template))
    print("\n".join(wrong) or "sam knows every key")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
