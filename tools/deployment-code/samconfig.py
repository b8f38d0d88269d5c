"""Checks samconfig.toml, and the rules and intervals of the template.

An unknown key in samconfig.toml, or an unknown parameter of the template, passes sam silently.
"""

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


def read(template):
    return yaml.load(Path(template).read_text(), Template)


def holds(condition, given):
    """Whether a condition of a rule is true for these parameters."""
    if not isinstance(condition, dict):
        return condition
    [(name, of)] = condition.items()
    if name == "Ref":
        return given[of]
    values = [holds(one, given) for one in of]
    return {"Fn::Equals": lambda: values[0] == values[1], "Fn::Not": lambda: not values[0], "Fn::Or": lambda: any(values)}[name]()


def broken(rules, given):
    """What rules say of parameters that break them."""
    for rule in rules.values():
        for assertion in rule["Assertions"]:
            if not holds(assertion["Assert"], given):
                yield assertion["AssertDescription"]


# Parameters that each break one rule; proves that the rules can refuse something.
WRONG = [
    {},
    {"NodeTokenParameter": "/token", "NodeTokenSecretArn": "arn"},
    {"NodeTokenParameter": "/token", "ApiKeyParameter": "/key", "ApiKeySecretArn": "arn"},
    {"NodeTokenSecretArn": "arn", "Timezone": "Europe/Berlin"},
]


def intervals(template):
    """The mistakes in the template's table of intervals."""
    table = template["Mappings"]["Intervals"]
    if list(table) != template["Parameters"]["Interval"]["AllowedValues"]:
        yield "Mappings.Intervals has not exactly the values of Interval"
    for interval, about in table.items():
        number, unit = int(interval[:-1]), {"m": ("minute", 60), "h": ("hour", 3600)}[interval[-1]]
        rate = f"rate({number} {unit[0]}{'s' if number > 1 else ''})"
        if about != {"Rate": rate, "Silence": max(300, 3 * number * unit[1])}:
            yield f"Mappings.Intervals.{interval} is {about}"


def overrides(lines, template, where):
    """The mistakes in parameter_overrides; each is NAME=VALUE."""
    known = template["Parameters"]
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
    defaults = {name: about.get("Default") for name, about in known.items()}
    yield from (f"{where}: {problem}" for problem in broken(template["Rules"], defaults | given))


def check(config, template):
    template, commands = read(template), options()
    yield from intervals(template)
    defaults = {name: about.get("Default") for name, about in template["Parameters"].items()}
    for given in WRONG:
        if len(list(broken(template["Rules"], defaults | given))) != 1:
            yield f"no rule refuses {given}, or several do"
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
                yield from overrides(tables["parameters"].get("parameter_overrides", []), template, where)
    if deployed != 2:
        yield f"{deployed} environments can be deployed instead of two"


def main():
    file, template = sys.argv[1:]
    wrong = list(check(tomllib.loads(Path(file).read_text()), template))
    print("\n".join(wrong) or "sam knows every key, and the template's rules hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
