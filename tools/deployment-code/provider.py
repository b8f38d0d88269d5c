"""A provider that knows the AWS provider's schema and nothing else: enough for validate, and for tests that mock it.

    provider.py SCHEMA SOCKET

serves it until it is killed, and prints the value of TF_REATTACH_PROVIDERS by which Terraform finds it. Terraform starts
providers that it does not find that way anew for each run of a test.
"""

import json
import os
import sys
from concurrent import futures

import grpc
import tf.provider
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

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


def main():
    schema, socket = sys.argv[1:]
    with open(schema) as file:
        provider = servicer(json.load(file))(None)
    server = grpc.server(futures.ThreadPoolExecutor())
    rpc.add_ProviderServicer_to_server(provider, server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    address = {"Network": "unix", "String": socket}
    about = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    print(json.dumps({"hashicorp/aws": about}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
