# Secrets are stored in the right places only.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  backend_base_url = "https://hub.example.net"
  package_path     = "tests/package"
  node_tokens      = { eu-central-1 = "token-of-europe" }
  api_key          = "key-of-all"
  store_api_key    = true
  regions = {
    eu-central-1 = { kms_keys = { secrets = "arn:aws:kms:eu-central-1:123456789012:key/1234" } }
    us-east-1 = {
      node_token_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:uptime-AbCdEf"
      api_key_arn    = "arn:aws:ssm:us-east-1:123456789012:parameter/uptime/key"
    }
  }
}

run "a_secret_is_stored_where_none_is_given" {
  assert {
    condition     = toset(keys(aws_ssm_parameter.node_token)) == toset(["eu-central-1"]) && toset(keys(aws_ssm_parameter.api_key)) == toset(["eu-central-1"])
    error_message = "A parameter is missing, or was created although the region has a secret of its own."
  }

  assert {
    condition = alltrue([
      for parameter in [aws_ssm_parameter.node_token["eu-central-1"], aws_ssm_parameter.api_key["eu-central-1"]] :
      parameter.type == "SecureString"
      && parameter.region == "eu-central-1"
      && parameter.key_id == "arn:aws:kms:eu-central-1:123456789012:key/1234"
      && parameter.value_wo_version == 1
    ])
    error_message = "A parameter is not encrypted with the key of its region."
  }
}

run "no_secret_is_in_the_state" {
  assert {
    condition = alltrue([
      for parameter in [aws_ssm_parameter.node_token["eu-central-1"], aws_ssm_parameter.api_key["eu-central-1"]] :
      parameter.value_wo == null && parameter.value == null && parameter.insecure_value == null
    ])
    error_message = "The state holds a secret."
  }

  assert {
    condition = alltrue([
      for secret in ["token-of-europe", "key-of-all"] : alltrue([
        for text in [jsonencode(output.functions), jsonencode(output.invoke), jsonencode(values(aws_lambda_function.this)[*].environment)] :
        !strcontains(text, secret)
      ])
    ])
    error_message = "An output or an environment holds a secret."
  }
}

run "the_function_gets_references_to_its_secrets" {
  assert {
    condition = {
      for region, function in aws_lambda_function.this :
      region => [function.environment[0].variables["NODE_TOKEN"], function.environment[0].variables["API_KEY"]]
      } == {
      eu-central-1 = ["ssm:/easytier-uptime/eu-central-1/node-token", "ssm:/easytier-uptime/eu-central-1/api-key"]
      us-east-1 = [
        "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:uptime-AbCdEf",
        "ssm:arn:aws:ssm:us-east-1:123456789012:parameter/uptime/key",
      ]
    }
    error_message = "A reference does not lead to its secret."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.function["eu-central-1"].policy).Statement : statement.Resource if statement.Sid == "ReadParameters"
      ] == [[
        "arn:aws:ssm:eu-central-1:123456789012:parameter/easytier-uptime/eu-central-1/node-token",
        "arn:aws:ssm:eu-central-1:123456789012:parameter/easytier-uptime/eu-central-1/api-key",
    ]]
    error_message = "The function may not read a secret that it has a reference to."
  }
}

run "secrets_are_written_again_when_their_version_rises" {
  variables {
    secrets_version = 2
  }

  assert {
    condition     = aws_ssm_parameter.node_token["eu-central-1"].value_wo_version == 2 && aws_ssm_parameter.api_key["eu-central-1"].value_wo_version == 2
    error_message = "A changed secret would not be written."
  }
}

run "the_api_key_is_optional" {
  variables {
    api_key       = ""
    store_api_key = false
  }

  assert {
    condition     = length(aws_ssm_parameter.api_key) == 0 && !contains(keys(aws_lambda_function.this["eu-central-1"].environment[0].variables), "API_KEY")
    error_message = "There is a key although none was given."
  }

  assert {
    condition     = output.functions["eu-central-1"].api_key == null && output.functions["us-east-1"].api_key == "ssm:arn:aws:ssm:us-east-1:123456789012:parameter/uptime/key"
    error_message = "A region does not use its own key."
  }
}

run "outputs" {
  assert {
    condition = (
      output.functions["eu-central-1"].function_name == "easytier-uptime-eu-central-1"
      && output.functions["eu-central-1"].function_arn == aws_lambda_function.this["eu-central-1"].arn
      && output.functions["eu-central-1"].alias_arn == aws_lambda_alias.live["eu-central-1"].arn
      && output.functions["eu-central-1"].function_version == aws_lambda_function.this["eu-central-1"].version
      && output.functions["eu-central-1"].newest_version == aws_lambda_function.this["eu-central-1"].version
      && output.functions["eu-central-1"].role_arn == aws_iam_role.function["eu-central-1"].arn
      && output.functions["eu-central-1"].schedule_role_arn == aws_iam_role.schedule["eu-central-1"].arn
      && output.functions["eu-central-1"].schedule_arn == aws_scheduler_schedule.this["eu-central-1"].arn
      && output.functions["eu-central-1"].log_group == "/aws/lambda/easytier-uptime-eu-central-1"
      && output.functions["eu-central-1"].spool_queue == aws_sqs_queue.spool["eu-central-1"].url
      && output.functions["eu-central-1"].spool_dead_letters == aws_sqs_queue.spool_dead_letters["eu-central-1"].url
      && length(output.functions["eu-central-1"].alarms) == 7
      && alltrue([for name in output.functions["eu-central-1"].alarms : startswith(name, "easytier-uptime-eu-central-1-")])
    )
    error_message = "An output does not match the resources."
  }

  assert {
    condition     = startswith(output.invoke["us-east-1"], "aws lambda invoke --region us-east-1 --function-name easytier-uptime-us-east-1 --qualifier live ")
    error_message = "The command to invoke a function names another function."
  }
}
