# What companies need: their roles, keys, networks and artifacts.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_s3_object" {
    # Of tests/package.
    defaults = { checksum_sha256 = "rS1dLH5zZVbrlP+Z3NxJjdDx88xLzW1FtNPTU8aDBXw=" }
  }
}

variables {
  api_key          = ""
  backend_base_url = "https://hub.example.net"
  package_path     = "tests/package"
  node_tokens      = {}
  regions = {
    eu-central-1 = {
      schedule         = "cron(0/10 8-18 ? * MON-FRI *)"
      interval         = 600
      timezone         = "Europe/Berlin"
      flexible_window  = 2
      function_version = 7
      vpc              = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"], ipv6 = true }
      node_token_arn   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:uptime-AbCdEf"
      kms_keys = {
        environment = "arn:aws:kms:eu-central-1:123456789012:key/environment"
        logs        = "arn:aws:kms:eu-central-1:123456789012:key/logs"
        queues      = "arn:aws:kms:eu-central-1:123456789012:key/queues"
      }
    }
  }
}

run "roles_are_limited_and_have_a_path" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
    role_path            = "/services/uptime/"
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.function["eu-central-1"], aws_iam_role.schedule["eu-central-1"]] :
      role.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" && role.path == "/services/uptime/"
    ])
    error_message = "A role has another path, or no permissions boundary."
  }
}

run "existing_roles_are_used" {
  variables {
    regions = {
      eu-central-1 = {
        node_token_arn    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:uptime-AbCdEf"
        function_role_arn = "arn:aws:iam::123456789012:role/uptime-function"
        schedule_role_arn = "arn:aws:iam::123456789012:role/uptime-schedule"
      }
    }
  }

  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].role == "arn:aws:iam::123456789012:role/uptime-function"
      && aws_scheduler_schedule.this["eu-central-1"].target[0].role_arn == "arn:aws:iam::123456789012:role/uptime-schedule"
      && output.functions["eu-central-1"].role_arn == "arn:aws:iam::123456789012:role/uptime-function"
      && output.functions["eu-central-1"].schedule_role_arn == "arn:aws:iam::123456789012:role/uptime-schedule"
    )
    error_message = "An existing role is not used."
  }

  assert {
    condition = alltrue([
      for made in [aws_iam_role.function, aws_iam_role.schedule, aws_iam_role_policy.function, aws_iam_role_policy.schedule] : length(made) == 0
    ])
    error_message = "A role or policy is created although there is one."
  }
}

run "nothing_is_created_and_the_policies_are_shown" {
  command = plan

  variables {
    create       = false
    package_path = null
    dashboard    = true
    tags         = { service = "nodes" }
    budget       = { monthly_usd = 20, tag = "service", emails = ["operator@example.net"] }
    regions      = { eu-central-1 = {} }
  }

  assert {
    condition = alltrue([
      for made in [
        aws_lambda_function.this, aws_lambda_alias.live, aws_lambda_function_event_invoke_config.this, aws_cloudwatch_log_group.function,
        aws_scheduler_schedule.this, aws_scheduler_schedule_group.this, aws_sqs_queue.spool, aws_sqs_queue.spool_dead_letters,
        aws_sqs_queue_redrive_allow_policy.spool_dead_letters, aws_iam_role.function, aws_iam_role.schedule, aws_iam_role_policy.function,
        aws_iam_role_policy.schedule, aws_ssm_parameter.node_token, aws_ssm_parameter.api_key, aws_cloudwatch_metric_alarm.this,
        aws_cloudwatch_metric_alarm.none_online, aws_cloudwatch_metric_alarm.silence, aws_cloudwatch_dashboard.this, aws_budgets_budget.this,
        output.functions, output.invoke, data.aws_s3_object.package,
      ] : length(made) == 0
    ])
    error_message = "Something is created."
  }

  assert {
    condition = (
      jsondecode(output.policies["eu-central-1"].function).Statement[2].Resource[0]
      == "arn:aws:ssm:eu-central-1:123456789012:parameter/easytier-uptime/eu-central-1/node-token"
      && jsondecode(output.policies["eu-central-1"].function_trust).Statement[0].Principal.Service == "lambda.amazonaws.com"
      && jsondecode(output.policies["eu-central-1"].schedule).Statement[0].Sid == "Invoke"
      && jsondecode(output.policies["eu-central-1"].schedule_trust).Statement[0].Principal.Service == "scheduler.amazonaws.com"
    )
    error_message = "A policy for an existing role is missing."
  }
}

run "a_package_in_s3_is_one_version_with_one_hash" {
  variables {
    package_path   = null
    package_s3     = { buckets = { eu-central-1 = "artifacts-eu" }, key = "uptime/arm64.zip", version = "v1" }
    package_sha256 = "ad2d5d2c7e736556eb94ff99dcdc498dd0f1f3cc4bcd6d45b4d3d353c683057c"
  }

  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].filename == null
      && aws_lambda_function.this["eu-central-1"].s3_bucket == "artifacts-eu"
      && aws_lambda_function.this["eu-central-1"].s3_key == "uptime/arm64.zip"
      && aws_lambda_function.this["eu-central-1"].s3_object_version == "v1"
      && aws_lambda_function.this["eu-central-1"].source_code_hash == filebase64sha256("tests/package")
    )
    error_message = "The function has another package."
  }

  assert {
    condition = (
      data.aws_s3_object.package["eu-central-1"].region == "eu-central-1"
      && data.aws_s3_object.package["eu-central-1"].version_id == "v1"
      && data.aws_s3_object.package["eu-central-1"].checksum_mode == "ENABLED"
    )
    error_message = "The hash is of another object."
  }
}

run "another_package_in_s3_is_refused" {
  command = plan

  variables {
    package_path   = null
    package_s3     = { buckets = { eu-central-1 = "artifacts-eu" }, key = "uptime/arm64.zip" }
    package_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
  }

  expect_failures = [data.aws_s3_object.package["eu-central-1"]]
}

run "a_file_may_have_its_hash" {
  command = plan

  variables {
    package_sha256 = "ad2d5d2c7e736556eb94ff99dcdc498dd0f1f3cc4bcd6d45b4d3d353c683057c"
  }

  assert {
    condition     = aws_lambda_function.this["eu-central-1"].source_code_hash == filebase64sha256("tests/package")
    error_message = "The function has another package."
  }
}

run "the_schedule_invokes_an_older_version" {
  assert {
    condition = (
      aws_lambda_alias.live["eu-central-1"].function_version == "7"
      && output.functions["eu-central-1"].function_version == "7"
      && output.functions["eu-central-1"].newest_version == aws_lambda_function.this["eu-central-1"].version
    )
    error_message = "The alias leads to another version."
  }

  assert {
    condition = (
      aws_scheduler_schedule.this["eu-central-1"].schedule_expression_timezone == "Europe/Berlin"
      && aws_scheduler_schedule.this["eu-central-1"].flexible_time_window[0].mode == "FLEXIBLE"
      && aws_scheduler_schedule.this["eu-central-1"].flexible_time_window[0].maximum_window_in_minutes == 2
    )
    error_message = "The schedule has other times."
  }
}

run "keys_encrypt_what_they_are_for" {
  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].kms_key_arn == "arn:aws:kms:eu-central-1:123456789012:key/environment"
      && aws_cloudwatch_log_group.function["eu-central-1"].kms_key_id == "arn:aws:kms:eu-central-1:123456789012:key/logs"
      && alltrue([
        for queue in [aws_sqs_queue.spool["eu-central-1"], aws_sqs_queue.spool_dead_letters["eu-central-1"]] :
        queue.kms_master_key_id == "arn:aws:kms:eu-central-1:123456789012:key/queues"
      ])
    )
    error_message = "Something is encrypted with another key."
  }
}

run "the_function_may_use_its_keys_and_its_network" {
  command = plan

  variables {
    tracing_mode = "Active"
  }

  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].tracing_config[0].mode == "Active"
      && aws_lambda_function.this["eu-central-1"].vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"])
      && aws_lambda_function.this["eu-central-1"].vpc_config[0].security_group_ids == toset(["sg-1"])
      && aws_lambda_function.this["eu-central-1"].vpc_config[0].ipv6_allowed_for_dual_stack
    )
    error_message = "The function has another network, or is not traced."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.function["eu-central-1"].policy).Statement : statement.Sid => statement
      if !contains(["Log", "Spool", "ReadSecrets", "Network"], statement.Sid)
      } == {
      EncryptSpool = {
        Sid       = "EncryptSpool", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"],
        Resource  = "arn:aws:kms:eu-central-1:123456789012:key/queues",
        Condition = { StringLike = { "kms:ViaService" = "sqs.eu-central-1.*" } }
      }
      DecryptEnvironment = {
        Sid      = "DecryptEnvironment", Effect = "Allow", Action = "kms:Decrypt",
        Resource = "arn:aws:kms:eu-central-1:123456789012:key/environment"
      }
      Trace = {
        Sid = "Trace", Effect = "Allow", Action = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], Resource = "*"
      }
      NetworkOnlyForLambda = {
        Sid    = "NetworkOnlyForLambda", Effect = "Deny", Resource = "*",
        Action = one([for one in jsondecode(aws_iam_role_policy.function["eu-central-1"].policy).Statement : one.Action if one.Sid == "Network"]),
        Condition = {
          ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:eu-central-1:123456789012:function:easytier-uptime-eu-central-1" }
        }
      }
    }
    error_message = "The function cannot use a key or its network, or code of the function can change the network."
  }
}

run "tags_of_functions_are_their_own" {
  command = plan

  variables {
    tags          = { service = "nodes" }
    function_tags = { runtime = "rust" }
  }

  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].tags == tomap({ service = "nodes", runtime = "rust" })
      && aws_sqs_queue.spool["eu-central-1"].tags == tomap({ service = "nodes" })
    )
    error_message = "The function lacks a tag, or something else has one of the function."
  }
}

run "alarms_are_chosen" {
  variables {
    alarms = ["errors", "none-online"]
  }

  assert {
    condition = output.functions["eu-central-1"].alarms == [
      "easytier-uptime-eu-central-1-errors", "easytier-uptime-eu-central-1-none-online",
    ]
    error_message = "There are other alarms."
  }
}

run "the_dashboard_shows_each_region" {
  variables {
    dashboard = true
    regions = {
      eu-central-1 = { probe_region = "eu", node_token_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/token" }
      us-east-1    = { schedule = "rate(1 hour)", node_token_arn = "arn:aws:ssm:us-east-1:123456789012:parameter/token" }
    }
  }

  assert {
    condition = [
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets :
      [widget.properties.region, widget.properties.title, widget.properties.period, widget.x, widget.y] if widget.x == 0
    ] == [["eu-central-1", "eu: Peers", 300, 0, 0], ["us-east-1", "us-east-1: Peers", 3600, 0, 6]]
    error_message = "A region has no row of its own."
  }

  assert {
    condition = [
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.metrics if widget.y == 0
      ] == [
      [
        ["EasyTierUptime", "online", "region", "eu", { stat = "Sum" }],
        ["EasyTierUptime", "offline", "region", "eu", { stat = "Sum" }],
        ["EasyTierUptime", "unknown", "region", "eu", { stat = "Sum" }],
      ],
      [
        ["AWS/Lambda", "Invocations", "FunctionName", "easytier-uptime-eu-central-1", { stat = "Sum" }],
        ["AWS/Lambda", "Errors", "FunctionName", "easytier-uptime-eu-central-1", { stat = "Sum" }],
        ["AWS/Lambda", "Throttles", "FunctionName", "easytier-uptime-eu-central-1", { stat = "Sum" }],
      ],
      [
        ["AWS/Lambda", "Duration", "FunctionName", "easytier-uptime-eu-central-1", { stat = "Average" }],
        ["AWS/Lambda", "Duration", "FunctionName", "easytier-uptime-eu-central-1", { stat = "Maximum" }],
      ],
      [
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "easytier-uptime-eu-central-1-spool", { stat = "Maximum" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "easytier-uptime-eu-central-1-spool-dead-letters", { stat = "Maximum" }],
      ],
    ]
    error_message = "A graph shows other metrics."
  }

  assert {
    condition     = output.dashboard == aws_cloudwatch_dashboard.this[0].dashboard_name
    error_message = "The output names another dashboard."
  }
}

run "the_budget_is_for_what_is_tagged" {
  command = plan

  variables {
    tags   = { service = "nodes" }
    budget = { monthly_usd = 20, tag = "service", emails = ["operator@example.net"] }
  }

  assert {
    condition = (
      aws_budgets_budget.this[0].limit_amount == "20"
      && [for filter in aws_budgets_budget.this[0].cost_filter : [filter.name, filter.values]] == [["TagKeyValue", tolist(["user:service$nodes"])]]
      && { for about in aws_budgets_budget.this[0].notification : about.notification_type => about.threshold } == { ACTUAL = 80, FORECASTED = 100 }
      && alltrue([for about in aws_budgets_budget.this[0].notification : about.subscriber_email_addresses == toset(["operator@example.net"])])
    )
    error_message = "The budget is for something else, or notifies nobody."
  }
}
