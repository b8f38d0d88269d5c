# The resources, and the connections between them.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  # A test must set every ephemeral variable.
  api_key          = ""
  backend_base_url = "https://hub.example.net"
  package_path     = "tests/package"
  node_tokens      = { eu-central-1 = "token-of-europe" }
  tags             = { service = "nodes" }
  regions = {
    eu-central-1 = {
      probe_region    = "eu"
      alarm_topic_arn = "arn:aws:sns:eu-central-1:123456789012:alarms"
    }
    us-east-1 = {
      schedule       = "rate(2 hours)"
      enabled        = false
      memory         = 128
      timeout        = 600
      concurrency    = 2
      server_id      = "probe-7"
      node_token_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:uptime-AbCdEf"
      api_key_arn    = "arn:aws:ssm:us-east-1:123456789012:parameter/uptime/key"
      kms_keys       = { secrets = "arn:aws:kms:us-east-1:123456789012:key/1234" }
      environment    = { HEALTH_CHECK_TIMEOUT = "8s", RUST_BACKTRACE = "1" }
    }
    ap-southeast-1 = {
      schedule       = "cron(0/10 * * * ? *)"
      interval       = 600
      node_token_arn = "arn:aws:ssm:ap-southeast-1:123456789012:parameter/uptime/token"
    }
  }
}

run "everything_is_in_its_region" {
  assert {
    condition = alltrue([
      for made in [
        aws_lambda_function.this, aws_lambda_alias.live, aws_lambda_function_event_invoke_config.this, aws_cloudwatch_log_group.function,
        aws_scheduler_schedule.this, aws_scheduler_schedule_group.this, aws_sqs_queue.spool,
        aws_sqs_queue.spool_dead_letters, aws_sqs_queue_redrive_allow_policy.spool_dead_letters,
      ] :
      { for region, one in made : region => one.region } == {
        ap-southeast-1 = "ap-southeast-1", eu-central-1 = "eu-central-1", us-east-1 = "us-east-1"
      }
    ])
    error_message = "Something is missing in a region, or is in another one."
  }

  assert {
    condition     = toset(keys(aws_iam_role.function)) == toset(keys(var.regions)) && toset(keys(aws_iam_role.schedule)) == toset(keys(var.regions))
    error_message = "A region does not have roles of its own."
  }

  assert {
    condition     = length(distinct(concat(values(aws_iam_role.function)[*].name, values(aws_iam_role.schedule)[*].name))) == 6
    error_message = "Two regions have roles with the same name, but roles are global in an account."
  }

  assert {
    condition = (
      length(aws_cloudwatch_metric_alarm.this) == 15
      && alltrue([
        for alarms in [aws_cloudwatch_metric_alarm.this, aws_cloudwatch_metric_alarm.none_online, aws_cloudwatch_metric_alarm.silence] :
        length(alarms) >= 3 && alltrue([for key, alarm in alarms : alarm.region == split("/", key)[0]])
      ])
    )
    error_message = "A region does not have seven alarms of its own."
  }

  assert {
    condition = alltrue([
      for one in [
        aws_lambda_function.this["eu-central-1"], aws_sqs_queue.spool["eu-central-1"], aws_iam_role.function["eu-central-1"],
        aws_ssm_parameter.node_token["eu-central-1"], aws_cloudwatch_metric_alarm.this["eu-central-1/errors"],
      ] : one.tags == tomap({ service = "nodes" })
    ])
    error_message = "Tags are missing."
  }
}

run "function" {
  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].function_name == "easytier-uptime-eu-central-1"
      && aws_lambda_function.this["eu-central-1"].runtime == "provided.al2023"
      && aws_lambda_function.this["eu-central-1"].handler == "bootstrap"
      && aws_lambda_function.this["eu-central-1"].architectures == tolist(["arm64"])
      && aws_lambda_function.this["eu-central-1"].source_code_hash == filebase64sha256("tests/package")
      && aws_lambda_function.this["eu-central-1"].memory_size == 256
      && aws_lambda_function.this["eu-central-1"].timeout == 50
      && aws_lambda_function.this["eu-central-1"].filename == "tests/package"
      && aws_lambda_function.this["eu-central-1"].tracing_config[0].mode == "PassThrough"
      && length(aws_lambda_function.this["eu-central-1"].vpc_config) == 0
      && aws_lambda_function.this["eu-central-1"].reserved_concurrent_executions == -1
    )
    error_message = "The function does not have the default settings."
  }

  assert {
    condition = alltrue([
      for given in [
        aws_lambda_function.this["eu-central-1"].s3_bucket, aws_lambda_function.this["eu-central-1"].kms_key_arn,
        aws_cloudwatch_log_group.function["eu-central-1"].kms_key_id, aws_iam_role.function["eu-central-1"].permissions_boundary,
      ] : given == null
    ])
    error_message = "Something is set that nobody asked for."
  }

  assert {
    condition = (
      aws_lambda_function.this["us-east-1"].memory_size == 128
      && aws_lambda_function.this["us-east-1"].timeout == 600
      && aws_lambda_function.this["us-east-1"].reserved_concurrent_executions == 2
    )
    error_message = "The function does not have the settings of its region."
  }

  assert {
    condition = alltrue([
      for region, function in aws_lambda_function.this :
      function.role == aws_iam_role.function[region].arn
      && function.logging_config[0].log_group == aws_cloudwatch_log_group.function[region].name
      # A scheduled event is {}: the next one replaces it.
      && length(function.dead_letter_config) == 0
    ])
    error_message = "The function does not use the role and the log group of its region, or keeps failed events."
  }

  assert {
    condition     = alltrue([for region, group in aws_cloudwatch_log_group.function : group.retention_in_days == 30 && group.name == "/aws/lambda/easytier-uptime-${region}"])
    error_message = "Logs are not kept for 30 days where Lambda's console looks for them."
  }

  assert {
    condition = alltrue([
      for region, alias in aws_lambda_alias.live :
      aws_lambda_function.this[region].publish
      && alias.name == "live"
      && alias.function_name == aws_lambda_function.this[region].function_name
      && alias.function_version == aws_lambda_function.this[region].version
      && aws_lambda_function_event_invoke_config.this[region].qualifier == "live"
    ])
    error_message = "The alias does not lead to the newest version, or events of the alias have other rules."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this["eu-central-1"].function_name == "easytier-uptime-eu-central-1"
      && aws_lambda_function_event_invoke_config.this["eu-central-1"].maximum_retry_attempts == 0
      && aws_lambda_function_event_invoke_config.this["eu-central-1"].maximum_event_age_in_seconds == 390
      && aws_lambda_function_event_invoke_config.this["us-east-1"].maximum_event_age_in_seconds == 7200
      && aws_lambda_function_event_invoke_config.this["ap-southeast-1"].maximum_event_age_in_seconds == 600
    )
    error_message = "An event expires before all of its retries."
  }
}

run "environment" {
  variables {
    api_key       = "key"
    store_api_key = true
  }

  assert {
    condition = aws_lambda_function.this["eu-central-1"].environment[0].variables == tomap({
      ALLOW_LOCAL_PEERS     = "false"
      ALLOW_PRIVATE_PEERS   = "false"
      API_KEY               = "ssm:/easytier-uptime/eu-central-1/api-key"
      BACKEND_BASE_URL      = "https://hub.example.net"
      CHECK_CONCURRENCY     = "512"
      HEALTH_CHECK_INTERVAL = "60s"
      HEALTH_CHECK_PINGS    = "3"
      HEALTH_CHECK_TIMEOUT  = "5s"
      LOG_FORMAT            = "json"
      NODE_TOKEN            = "ssm:/easytier-uptime/eu-central-1/node-token"
      REGION                = "eu"
      REPORT_STYLE          = "auto"
      RUST_LOG              = "info"
      SERVER_ID             = "easytier-uptime-eu-central-1"
      SPOOL_QUEUE_URL       = aws_sqs_queue.spool["eu-central-1"].url
    })
    error_message = "The function has other environment variables."
  }

  assert {
    condition = (
      aws_lambda_function.this["us-east-1"].environment[0].variables["REGION"] == "us-east-1"
      && aws_lambda_function.this["us-east-1"].environment[0].variables["SERVER_ID"] == "probe-7"
      && aws_lambda_function.this["us-east-1"].environment[0].variables["HEALTH_CHECK_TIMEOUT"] == "8s"
      && aws_lambda_function.this["us-east-1"].environment[0].variables["RUST_BACKTRACE"] == "1"
      && aws_lambda_function.this["us-east-1"].environment[0].variables["HEALTH_CHECK_INTERVAL"] == "7200s"
      && aws_lambda_function.this["us-east-1"].environment[0].variables["SPOOL_QUEUE_URL"] == aws_sqs_queue.spool["us-east-1"].url
    )
    error_message = "A region's own environment does not reach its function."
  }
}

run "settings_reach_the_function" {
  variables {
    name               = "watch"
    architecture       = "x86_64"
    report_style       = "per-node"
    check_timeout      = "750ms"
    check_pings        = 5
    check_concurrency  = 64
    self_check_targets = ["https://example.com", "tcp://192.0.2.1:443"]
    allow_local_peers  = true
    log_filter         = "info,easytier_probe=debug"
    log_retention_days = 7
    retry_attempts     = 2
  }

  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].function_name == "watch-eu-central-1"
      && aws_lambda_function.this["eu-central-1"].architectures == tolist(["x86_64"])
      && aws_ssm_parameter.node_token["eu-central-1"].name == "/watch/eu-central-1/node-token"
      && aws_cloudwatch_log_group.function["eu-central-1"].retention_in_days == 7
      && aws_lambda_function_event_invoke_config.this["eu-central-1"].maximum_retry_attempts == 2
      && aws_scheduler_schedule.this["eu-central-1"].target[0].retry_policy[0].maximum_retry_attempts == 2
    )
    error_message = "A variable does not reach its resource."
  }

  assert {
    condition = {
      for name in ["REPORT_STYLE", "HEALTH_CHECK_TIMEOUT", "HEALTH_CHECK_PINGS", "CHECK_CONCURRENCY", "SELF_CHECK_TARGETS", "ALLOW_PRIVATE_PEERS", "ALLOW_LOCAL_PEERS", "RUST_LOG"] :
      name => aws_lambda_function.this["eu-central-1"].environment[0].variables[name]
      } == {
      REPORT_STYLE         = "per-node"
      HEALTH_CHECK_TIMEOUT = "750ms"
      HEALTH_CHECK_PINGS   = "5"
      CHECK_CONCURRENCY    = "64"
      SELF_CHECK_TARGETS   = "https://example.com,tcp://192.0.2.1:443"
      ALLOW_PRIVATE_PEERS  = "false"
      ALLOW_LOCAL_PEERS    = "true"
      RUST_LOG             = "info,easytier_probe=debug"
    }
    error_message = "A variable does not reach the function's environment."
  }
}

run "private_and_local_peers_are_allowed_separately" {
  variables {
    allow_private_peers  = true
    spool_retention_days = 3
  }

  assert {
    condition = (
      aws_lambda_function.this["eu-central-1"].environment[0].variables["ALLOW_PRIVATE_PEERS"] == "true"
      && aws_lambda_function.this["eu-central-1"].environment[0].variables["ALLOW_LOCAL_PEERS"] == "false"
    )
    error_message = "Allowing private peers also allows local peers, or the reverse."
  }

  assert {
    condition     = aws_sqs_queue.spool["eu-central-1"].message_retention_seconds == 259200
    error_message = "The spool does not keep results for the configured time."
  }
}

run "schedule" {
  assert {
    condition = (
      aws_scheduler_schedule.this["eu-central-1"].schedule_expression == "rate(1 minute)"
      && aws_scheduler_schedule.this["eu-central-1"].state == "ENABLED"
      && aws_scheduler_schedule.this["eu-central-1"].flexible_time_window[0].mode == "OFF"
      && aws_scheduler_schedule.this["eu-central-1"].schedule_expression_timezone == "UTC"
      && aws_scheduler_schedule.this["us-east-1"].schedule_expression == "rate(2 hours)"
      && aws_scheduler_schedule.this["us-east-1"].state == "DISABLED"
      && aws_scheduler_schedule.this["ap-southeast-1"].schedule_expression == "cron(0/10 * * * ? *)"
    )
    error_message = "A schedule does not have the settings of its region."
  }

  assert {
    condition = alltrue([
      for region, schedule in aws_scheduler_schedule.this :
      schedule.group_name == aws_scheduler_schedule_group.this[region].name
      && schedule.target[0].arn == aws_lambda_alias.live[region].arn
      && schedule.target[0].role_arn == aws_iam_role.schedule[region].arn
      && schedule.target[0].input == "{}"
      && length(schedule.target[0].dead_letter_config) == 0
      && schedule.target[0].retry_policy[0].maximum_retry_attempts == 0
    ])
    error_message = "A schedule does not invoke its own region's function, or repeats or keeps its events."
  }

  assert {
    condition     = aws_scheduler_schedule.this["eu-central-1"].target[0].retry_policy[0].maximum_event_age_in_seconds == 390
    error_message = "An event expires before its retry."
  }
}

run "queues" {
  assert {
    condition = alltrue([
      for region, spool in aws_sqs_queue.spool :
      jsondecode(spool.redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.spool_dead_letters[region].arn, maxReceiveCount = 1000 }
      && jsondecode(aws_sqs_queue_redrive_allow_policy.spool_dead_letters[region].redrive_allow_policy) == {
        redrivePermission = "byQueue", sourceQueueArns = [spool.arn]
      }
      && aws_sqs_queue_redrive_allow_policy.spool_dead_letters[region].queue_url == aws_sqs_queue.spool_dead_letters[region].url
    ])
    error_message = "Undeliverable results do not move from the spool to its dead-letter queue."
  }

  assert {
    condition     = aws_sqs_queue.spool["eu-central-1"].visibility_timeout_seconds == 300 && aws_sqs_queue.spool["us-east-1"].visibility_timeout_seconds == 1200
    error_message = "Another invocation could see a message while the function still delivers it."
  }

  assert {
    condition = alltrue([
      for region, spool in aws_sqs_queue.spool :
      spool.message_retention_seconds == 604800
      && aws_sqs_queue.spool_dead_letters[region].message_retention_seconds == 1209600
    ])
    error_message = "A dead-letter queue does not keep messages longer than its source, although their age continues to count."
  }

  assert {
    condition = alltrue([
      for queue in concat(values(aws_sqs_queue.spool), values(aws_sqs_queue.spool_dead_letters)) :
      queue.sqs_managed_sse_enabled && queue.kms_master_key_id == null
    ])
    error_message = "A queue is not encrypted."
  }
}

run "the_function_may_do_no_more_than_it_needs" {
  assert {
    condition = jsondecode(aws_iam_role.function["eu-central-1"].assume_role_policy).Statement == [
      { Action = "sts:AssumeRole", Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" } }
    ]
    error_message = "Somebody other than Lambda may take the function's role."
  }

  assert {
    condition     = aws_iam_role_policy.function["eu-central-1"].role == aws_iam_role.function["eu-central-1"].name
    error_message = "The policy belongs to another role."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.function["eu-central-1"].policy).Statement : statement.Sid => statement
      } == {
      Log = {
        Sid      = "Log", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"],
        Resource = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/easytier-uptime-eu-central-1:*"
      }
      Spool = {
        Sid      = "Spool", Effect = "Allow", Action = ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"],
        Resource = "arn:aws:sqs:eu-central-1:123456789012:easytier-uptime-eu-central-1-spool"
      }
      ReadParameters = {
        Sid      = "ReadParameters", Effect = "Allow", Action = "ssm:GetParameter",
        Resource = ["arn:aws:ssm:eu-central-1:123456789012:parameter/easytier-uptime/eu-central-1/node-token"]
      }
    }
    error_message = "The function does not have exactly the permissions that it needs."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.function["us-east-1"].policy).Statement : statement.Sid => statement
      if !contains(["Log", "Spool"], statement.Sid)
      } == {
      ReadParameters = {
        Sid      = "ReadParameters", Effect = "Allow", Action = "ssm:GetParameter",
        Resource = ["arn:aws:ssm:us-east-1:123456789012:parameter/uptime/key"]
      }
      ReadSecrets = {
        Sid      = "ReadSecrets", Effect = "Allow", Action = "secretsmanager:GetSecretValue",
        Resource = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:uptime-AbCdEf"]
      }
      DecryptSecrets = {
        Sid       = "DecryptSecrets", Effect = "Allow", Action = "kms:Decrypt",
        Resource  = "arn:aws:kms:us-east-1:123456789012:key/1234",
        Condition = { StringLike = { "kms:ViaService" = ["ssm.us-east-1.*", "secretsmanager.us-east-1.*"] } }
      }
    }
    error_message = "The function cannot read its secrets, or can read others."
  }
}

run "the_schedule_may_do_no_more_than_it_needs" {
  assert {
    condition = jsondecode(aws_iam_role.schedule["eu-central-1"].assume_role_policy).Statement == [{
      Action = "sts:AssumeRole", Effect = "Allow", Principal = { Service = "scheduler.amazonaws.com" },
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = "123456789012"
          "aws:SourceArn"     = "arn:aws:scheduler:eu-central-1:123456789012:schedule-group/easytier-uptime-eu-central-1"
        }
      }
    }]
    error_message = "Another schedule may take the schedule's role."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.schedule["eu-central-1"].policy).Statement == [{
      Sid      = "Invoke", Effect = "Allow", Action = "lambda:InvokeFunction",
      Resource = "arn:aws:lambda:eu-central-1:123456789012:function:easytier-uptime-eu-central-1:live"
    }]
    error_message = "The schedule does not have exactly the permissions that it needs."
  }

  assert {
    condition     = aws_iam_role_policy.schedule["eu-central-1"].role == aws_iam_role.schedule["eu-central-1"].name
    error_message = "The policy belongs to another role."
  }
}

run "alarms" {
  assert {
    condition = {
      for kind in ["errors", "throttles", "nothing-checked", "spool-dead-letters", "spool-age"] : kind => join(" ", [
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].statistic,
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].namespace,
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].metric_name,
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].comparison_operator,
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].threshold,
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].period,
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].evaluation_periods,
        aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].treat_missing_data,
        join(" ", values(aws_cloudwatch_metric_alarm.this["eu-central-1/${kind}"].dimensions)),
      ])
      } == {
      errors             = "Sum AWS/Lambda Errors GreaterThanOrEqualToThreshold 1 300 1 notBreaching easytier-uptime-eu-central-1"
      throttles          = "Sum AWS/Lambda Throttles GreaterThanOrEqualToThreshold 1 300 1 notBreaching easytier-uptime-eu-central-1"
      nothing-checked    = "Sum EasyTierUptime checked LessThanThreshold 1 300 1 notBreaching eu"
      spool-dead-letters = "Maximum AWS/SQS ApproximateNumberOfMessagesVisible GreaterThanOrEqualToThreshold 1 300 1 notBreaching easytier-uptime-eu-central-1-spool-dead-letters"
      spool-age          = "Maximum AWS/SQS ApproximateAgeOfOldestMessage GreaterThanThreshold 900 300 1 notBreaching easytier-uptime-eu-central-1-spool"
    }
    error_message = "An alarm has another metric or threshold."
  }

  assert {
    condition = alltrue([
      for key, alarm in aws_cloudwatch_metric_alarm.this :
      keys(alarm.dimensions) == tolist([alarm.namespace == "AWS/Lambda" ? "FunctionName" : "QueueName"])
      && alltrue([for value in values(alarm.dimensions) : startswith(value, "easytier-uptime-${alarm.region}")])
      if alarm.namespace != "EasyTierUptime"
    ])
    error_message = "An alarm watches a resource of another region."
  }

  assert {
    condition = alltrue([
      for region, function in aws_lambda_function.this :
      aws_cloudwatch_metric_alarm.this["${region}/nothing-checked"].dimensions == tomap({ region = function.environment[0].variables["REGION"] })
    ])
    error_message = "An alarm watches another probe's metric."
  }

  assert {
    condition = alltrue([
      for region, alarm in aws_cloudwatch_metric_alarm.silence :
      one([for query in alarm.metric_query : query.expression if query.return_data]) == "FILL(invocations, 0)"
      && one([for query in alarm.metric_query : query.metric[0] if query.id == "invocations"]).namespace == "AWS/Lambda"
      && one([for query in alarm.metric_query : query.metric[0] if query.id == "invocations"]).metric_name == "Invocations"
      && one([for query in alarm.metric_query : query.metric[0] if query.id == "invocations"]).stat == "Sum"
      && one([for query in alarm.metric_query : query.metric[0] if query.id == "invocations"]).dimensions == tomap({ FunctionName = "easytier-uptime-${region}" })
      && alarm.comparison_operator == "LessThanThreshold" && alarm.threshold == 1
      && alarm.evaluation_periods == 1 && alarm.treat_missing_data == "breaching"
    ])
    error_message = "The silence alarm has other settings."
  }

  assert {
    condition = alltrue([
      for region, alarm in aws_cloudwatch_metric_alarm.none_online :
      one([for query in alarm.metric_query : query.expression if query.return_data]) == "IF(checked > 0 AND online < 1, 1, 0)"
      && alarm.comparison_operator == "GreaterThanOrEqualToThreshold" && alarm.threshold == 1
      && alarm.evaluation_periods == 1 && alarm.treat_missing_data == "notBreaching"
      && {
        for query in alarm.metric_query : query.id => [
          query.metric[0].namespace, query.metric[0].metric_name, query.metric[0].stat, query.metric[0].dimensions["region"],
        ] if query.id != "none"
        } == {
        for name in ["checked", "online"] :
        name => ["EasyTierUptime", name, "Sum", aws_lambda_function.this[region].environment[0].variables["REGION"]]
      }
      && toset([for query in alarm.metric_query : query.metric[0].period if query.id != "none"]) == toset([
        aws_cloudwatch_metric_alarm.this["${region}/nothing-checked"].period
      ])
    ])
    error_message = "The alarm for no online peer has other settings."
  }

  assert {
    condition = {
      for region in keys(var.regions) : region => aws_cloudwatch_metric_alarm.this["${region}/nothing-checked"].period
    } == { ap-southeast-1 = 1800, eu-central-1 = 300, us-east-1 = 21600 }
    error_message = "The period of an alarm for nothing checked does not follow from the region's schedule."
  }

  assert {
    condition = {
      for region, alarm in aws_cloudwatch_metric_alarm.silence :
      region => one([for query in alarm.metric_query : query.metric[0].period if query.id == "invocations"])
    } == { ap-southeast-1 = 1800, eu-central-1 = 300, us-east-1 = 21600 }
    error_message = "The period of a silence alarm does not follow from the region's schedule."
  }

  assert {
    condition     = !aws_cloudwatch_metric_alarm.silence["us-east-1"].actions_enabled && aws_cloudwatch_metric_alarm.this["us-east-1/errors"].actions_enabled != false && aws_cloudwatch_metric_alarm.silence["eu-central-1"].actions_enabled
    error_message = "A paused region has an active silence alarm, or another alarm is not active."
  }

  assert {
    condition = alltrue([
      for key, alarm in merge(
        aws_cloudwatch_metric_alarm.this,
        { for region, alarm in aws_cloudwatch_metric_alarm.none_online : "${region}/none-online" => alarm },
        aws_cloudwatch_metric_alarm.silence,
      ) :
      alarm.alarm_actions == toset(startswith(key, "eu-") ? ["arn:aws:sns:eu-central-1:123456789012:alarms"] : [])
      && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "An alarm does not notify the topic of its region."
  }
}

run "the_longest_rate_still_has_an_alarm_for_silence" {
  variables {
    regions         = { eu-central-1 = { schedule = "rate(8 hours)" } }
    spool_age_alarm = 7200
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.silence["eu-central-1"].metric_query : query.metric[0].period if query.id == "invocations"]) == 86400
    error_message = "The period of a silence alarm exceeds the maximum of one day."
  }

  assert {
    condition     = aws_scheduler_schedule.this["eu-central-1"].target[0].retry_policy[0].maximum_event_age_in_seconds == 21600
    error_message = "The maximum age of an event exceeds six hours."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["eu-central-1/spool-age"].threshold == 7200
    error_message = "The threshold of the spool-age alarm is not the configured one."
  }
}
