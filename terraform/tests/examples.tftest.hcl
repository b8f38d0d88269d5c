# The examples pass the validations too.

mock_provider "aws" {
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
