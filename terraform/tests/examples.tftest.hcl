# The examples pass the validations too.

mock_provider "aws" {
  mock_data "aws_s3_object" {
    # Of tests/package.
    defaults = { checksum_sha256 = "rS1dLH5zZVbrlP+Z3NxJjdDx88xLzW1FtNPTU8aDBXw=" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:alarms" }
  }
}

variables {
  backend_base_url = "https://hub.example.net"
  package_path     = "tests/package"
}

run "one_region" {
  command = plan

  module {
    source = "./examples/one-region"
  }

  variables {
    node_token = "token"
  }

  assert {
    condition     = keys(output.functions) == ["eu-central-1"]
    error_message = "The example does not create the expected resources."
  }
}

run "three_regions" {
  command = plan

  module {
    source = "./examples/three-regions"
  }

  variables {
    mail            = "operator@example.net"
    asian_token_arn = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:uptime-AbCdEf"
    node_tokens     = { eu-central-1 = "token", us-east-1 = "token" }
  }

  assert {
    condition     = keys(output.functions) == ["ap-southeast-1", "eu-central-1", "us-east-1"]
    error_message = "The example does not create the expected resources."
  }
}

run "company" {
  command = plan

  module {
    source = "./examples/company"
  }

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
    emails               = ["operator@example.net"]
    package = {
      buckets = { eu-central-1 = "artifacts-eu", us-east-1 = "artifacts-us" }
      key     = "uptime/arm64.zip"
      version = "v1"
      sha256  = "ad2d5d2c7e736556eb94ff99dcdc498dd0f1f3cc4bcd6d45b4d3d353c683057c"
    }
    regions = {
      for region in ["eu-central-1", "us-east-1"] : region => {
        node_token_arn     = "arn:aws:secretsmanager:${region}:123456789012:secret:uptime-AbCdEf"
        kms_key_arn        = "arn:aws:kms:${region}:123456789012:key/1234"
        subnet_ids         = ["subnet-1"]
        security_group_ids = ["sg-1"]
        alarm_topic_arn    = "arn:aws:sns:${region}:123456789012:alarms"
      }
    }
  }

  assert {
    condition     = keys(output.functions) == ["eu-central-1", "us-east-1"]
    error_message = "The example does not create the expected resources."
  }
}
