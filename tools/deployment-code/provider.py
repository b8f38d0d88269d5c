"""A provider that knows the AWS provider's schema and nothing else: enough for validate, and for tests that mock it."""

import json
import sys

import tf.provider
import tf.runner
from tf.gen import tfplugin_pb2 as pb

NESTING = pb.Schema.NestedBlock.NestingMode
# Field 11 of an attribute, which the package `tf` does not know yet.
WRITE_ONLY = b"\x58\x01"


def attribute(name, about):
    message = pb.Schema.Attribute(
        name=name,
        type=json.dumps(about["type"]).encode(),
        required=about.get("required", False),
        optional=about.get("optional", False),
        computed=about.get("computed", False),
    )
    if about.get("write_only"):
        message.MergeFromString(WRITE_ONLY)
    return message


def nested(name, about):
    single = about["nesting"] == "single"
    return pb.Schema.NestedBlock(
        type_name=name,
        block=block(about["block"]),
        nesting=NESTING.Value(about["nesting"].upper()),
        min_items=1 if about["required"] and not single else 0,
        max_items=1 if about["single"] and not single else 0,
    )


def block(level):
    return pb.Schema.Block(
        attributes=[attribute(name, about) for name, about in sorted(level["attributes"].items())],
        block_types=[nested(name, about) for name, about in sorted(level["blocks"].items())],
    )


def schemas(levels):
    return {name: pb.Schema(block=block(level)) for name, level in levels.items()}


def servicer(schema):
    class Servicer(tf.provider.ProviderServicer):
        def GetProviderSchema(self, request, context):
            return pb.GetProviderSchema.Response(
                provider=pb.Schema(block=block(schema["provider"])),
                resource_schemas=schemas(schema["resources"]),
                data_source_schemas=schemas(schema["data_sources"]),
            )

        # Terraform compares the configuration with the schema before it calls these.
        def ValidateProviderConfig(self, request, context):
            return pb.ValidateProviderConfig.Response()

        def ValidateResourceConfig(self, request, context):
            return pb.ValidateResourceConfig.Response()

        def ValidateDataResourceConfig(self, request, context):
            return pb.ValidateDataResourceConfig.Response()

    return Servicer


with open(sys.argv[1]) as file:
    tf.provider.ProviderServicer = servicer(json.load(file))
tf.runner.run_provider(None, argv=sys.argv[:1])
