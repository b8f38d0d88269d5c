# Every validation refuses invalid values. The other files contain valid values.

mock_provider "aws" {}

variables {
  api_key          = ""
  backend_base_url = "https://hub.example.net"
  package_path     = "tests/package"
  node_tokens      = { eu-central-1 = "token" }
  regions          = { eu-central-1 = {} }
}

run "a_name_is_no_more_than_roles_can_have" {
  command = plan

  variables {
    name = "a23456789012345678901234567890123"
  }

  expect_failures = [var.name]
}

run "a_name_is_lower_case" {
  command = plan

  variables {
    name = "Uptime"
  }

  expect_failures = [var.name]
}

run "there_is_a_region" {
  command = plan

  variables {
    regions     = {}
    node_tokens = {}
  }

  expect_failures = [var.regions]
}

run "a_region_is_one_of_aws" {
  command = plan

  variables {
    regions     = { europe = {} }
    node_tokens = { europe = "token" }
  }

  expect_failures = [var.regions]
}

run "a_rate_of_one_is_singular" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(1 minutes)" } }
  }

  expect_failures = [var.regions]
}

run "a_rate_of_many_is_plural" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(5 minute)" } }
  }

  expect_failures = [var.regions]
}

run "a_rate_is_not_zero" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(0 minutes)" } }
  }

  expect_failures = [var.regions]
}

run "a_rate_is_not_in_seconds" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(30 seconds)" } }
  }

  expect_failures = [var.regions]
}

run "a_schedule_is_not_a_time" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "at(2030-01-01T00:00:00)" } }
  }

  expect_failures = [var.regions]
}

run "a_cron_has_six_fields" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "cron(0 * * * *)", interval = 3600 } }
  }

  expect_failures = [var.regions]
}

run "a_cron_comes_with_its_interval" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "cron(0 * * * ? *)" } }
  }

  expect_failures = [var.regions]
}

run "an_interval_is_a_minute_at_least" {
  command = plan

  variables {
    regions = { eu-central-1 = { interval = 59 } }
  }

  expect_failures = [var.regions]
}

run "an_interval_is_eight_hours_at_most" {
  command = plan

  variables {
    regions = { eu-central-1 = { interval = 28801 } }
  }

  expect_failures = [var.regions]
}

run "a_rate_is_eight_hours_at_most" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(9 hours)", interval = 600 } }
  }

  expect_failures = [var.regions]
}

run "a_rate_in_minutes_is_eight_hours_at_most" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(481 minutes)", interval = 600 } }
  }

  expect_failures = [var.regions]
}

run "memory_has_a_least" {
  command = plan

  variables {
    regions = { eu-central-1 = { memory = 127 } }
  }

  expect_failures = [var.regions]
}

run "memory_has_a_most" {
  command = plan

  variables {
    regions = { eu-central-1 = { memory = 10241 } }
  }

  expect_failures = [var.regions]
}

run "memory_is_whole" {
  command = plan

  variables {
    regions = { eu-central-1 = { memory = 128.5 } }
  }

  expect_failures = [var.regions]
}

run "a_timeout_has_a_least" {
  command = plan

  variables {
    regions = { eu-central-1 = { timeout = 14 } }
  }

  expect_failures = [var.regions]
}

run "a_timeout_has_a_most" {
  command = plan

  variables {
    regions = { eu-central-1 = { timeout = 901 } }
  }

  expect_failures = [var.regions]
}

run "a_timeout_is_whole" {
  command = plan

  variables {
    regions = { eu-central-1 = { timeout = 20.5 } }
  }

  expect_failures = [var.regions]
}

run "concurrency_is_not_zero" {
  command = plan

  variables {
    regions = { eu-central-1 = { concurrency = 0 } }
  }

  expect_failures = [var.regions]
}

run "a_probe_region_is_a_word" {
  command = plan

  variables {
    regions = { eu-central-1 = { probe_region = "eu west" } }
  }

  expect_failures = [var.regions]
}

run "a_server_id_is_a_word" {
  command = plan

  variables {
    regions = { eu-central-1 = { server_id = "" } }
  }

  expect_failures = [var.regions]
}

run "a_token_is_in_its_own_region" {
  command = plan

  variables {
    regions     = { eu-central-1 = { node_token_arn = "arn:aws:ssm:us-east-1:123456789012:parameter/token" } }
    node_tokens = {}
  }

  expect_failures = [var.regions]
}

run "a_token_is_a_parameter_or_a_secret" {
  command = plan

  variables {
    regions     = { eu-central-1 = { node_token_arn = "arn:aws:s3:eu-central-1:123456789012:token" } }
    node_tokens = {}
  }

  expect_failures = [var.regions]
}

run "a_token_is_not_in_plain" {
  command = plan

  variables {
    regions     = { eu-central-1 = { node_token_arn = "the-token-itself" } }
    node_tokens = {}
  }

  expect_failures = [var.regions]
}

run "a_key_is_in_its_own_region" {
  command = plan

  variables {
    regions = { eu-central-1 = { api_key_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key" } }
  }

  expect_failures = [var.regions]
}

run "an_encryption_key_is_in_its_own_region" {
  command = plan

  variables {
    regions = { eu-central-1 = { kms_keys = { logs = "arn:aws:kms:us-east-1:123456789012:key/1234" } } }
  }

  expect_failures = [var.regions]
}

run "an_encryption_key_is_not_an_alias" {
  command = plan

  variables {
    regions = { eu-central-1 = { kms_keys = { queues = "arn:aws:kms:eu-central-1:123456789012:alias/uptime" } } }
  }

  expect_failures = [var.regions]
}

run "a_topic_is_in_its_own_region" {
  command = plan

  variables {
    regions = { eu-central-1 = { alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:alarms" } }
  }

  expect_failures = [var.regions]
}

run "an_environment_variable_is_upper_case" {
  command = plan

  variables {
    regions = { eu-central-1 = { environment = { rust_log = "debug" } } }
  }

  expect_failures = [var.regions]
}

run "an_environment_variable_is_not_of_aws" {
  command = plan

  variables {
    regions = { eu-central-1 = { environment = { AWS_REGION = "eu" } } }
  }

  expect_failures = [var.regions]
}

run "node_token_is_not_given_in_plain" {
  command = plan

  variables {
    regions = { eu-central-1 = { environment = { NODE_TOKEN = "text" } } }
  }

  expect_failures = [var.regions]
}

run "api_key_is_not_given_in_plain" {
  command = plan

  variables {
    regions = { eu-central-1 = { environment = { API_KEY = "text" } } }
  }

  expect_failures = [var.regions]
}

run "spool_queue_url_is_not_given_in_plain" {
  command = plan

  variables {
    regions = { eu-central-1 = { environment = { SPOOL_QUEUE_URL = "text" } } }
  }

  expect_failures = [var.regions]
}

run "a_rate_has_no_time_zone" {
  command = plan

  variables {
    regions = { eu-central-1 = { timezone = "Europe/Berlin" } }
  }

  expect_failures = [var.regions]
}

run "a_time_zone_is_a_place" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "cron(0 8 * * ? *)", interval = 28800, timezone = "CET+1" } }
  }

  expect_failures = [var.regions]
}

run "a_flexible_window_is_a_quarter_of_the_interval_at_most" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(7 minutes)", flexible_window = 2 } }
  }

  expect_failures = [var.regions]
}

run "a_flexible_window_is_whole" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule = "rate(1 hour)", flexible_window = 1.5 } }
  }

  expect_failures = [var.regions]
}

run "a_version_is_a_published_one" {
  command = plan

  variables {
    regions = { eu-central-1 = { function_version = 0 } }
  }

  expect_failures = [var.regions]
}

run "a_vpc_has_subnets" {
  command = plan

  variables {
    regions = { eu-central-1 = { vpc = { subnet_ids = [], security_group_ids = ["sg-1"] } } }
  }

  expect_failures = [var.regions]
}

run "a_security_group_has_an_id" {
  command = plan

  variables {
    regions = { eu-central-1 = { vpc = { subnet_ids = ["subnet-1"], security_group_ids = ["default"] } } }
  }

  expect_failures = [var.regions]
}

run "an_existing_role_is_a_role" {
  command = plan

  variables {
    regions = { eu-central-1 = { schedule_role_arn = "arn:aws:iam::123456789012:policy/uptime" } }
  }

  expect_failures = [var.regions]
}

run "the_hub_is_asked_by_https" {
  command = plan

  variables {
    backend_base_url = "http://hub.example.net"
  }

  expect_failures = [var.backend_base_url]
}

run "every_hub_is_asked_by_https" {
  command = plan

  variables {
    backend_base_url = "https://hub.example.net,hub2.example.net"
  }

  expect_failures = [var.backend_base_url]
}

run "there_is_a_package" {
  command = plan

  variables {
    package_path = "tests/nothing"
  }

  expect_failures = [var.package_path]
}

run "a_package_is_given_once" {
  command = plan

  variables {
    package_s3     = { buckets = { eu-central-1 = "artifacts" }, key = "function.zip" }
    package_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
  }

  expect_failures = [var.package_path]
}

run "some_package_is_given" {
  command = plan

  variables {
    package_path = null
  }

  expect_failures = [var.package_path]
}

run "a_package_in_s3_has_a_bucket_in_each_region" {
  command = plan

  variables {
    package_path = null
    package_s3   = { buckets = { us-east-1 = "artifacts" }, key = "function.zip" }
  }

  expect_failures = [var.package_s3]
}

run "a_package_in_s3_has_a_hash" {
  command = plan

  variables {
    package_path = null
    package_s3   = { buckets = { eu-central-1 = "artifacts" }, key = "function.zip" }
  }

  expect_failures = [var.package_sha256]
}

run "a_hash_is_in_hex" {
  command = plan

  variables {
    package_sha256 = "4JwM8h6tqS1f0sZ6jzB6mW8oG6g8cK8b2m9dJx8l0pI="
  }

  expect_failures = [var.package_sha256]
}

run "a_package_has_its_hash" {
  command = plan

  variables {
    package_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
  }

  expect_failures = [var.package_sha256]
}

run "the_architecture_is_known" {
  command = plan

  variables {
    architecture = "aarch64"
  }

  expect_failures = [var.architecture]
}

run "every_region_has_a_token" {
  command = plan

  variables {
    node_tokens = {}
  }

  expect_failures = [var.node_tokens]
}

run "a_token_is_not_empty" {
  command = plan

  variables {
    node_tokens = { eu-central-1 = "" }
  }

  expect_failures = [var.node_tokens]
}

run "a_token_is_for_a_region" {
  command = plan

  variables {
    node_tokens = { eu-central-1 = "token", eu-west-1 = "token" }
  }

  expect_failures = [var.node_tokens]
}

run "a_token_is_given_once" {
  command = plan

  variables {
    regions = { eu-central-1 = { node_token_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/token" } }
  }

  expect_failures = [var.node_tokens]
}

run "an_api_key_is_stored_only_when_told" {
  command = plan

  variables {
    api_key = "key"
  }

  expect_failures = [var.api_key]
}

run "no_api_key_cannot_be_stored" {
  command = plan

  variables {
    store_api_key = true
  }

  expect_failures = [var.api_key]
}

run "secrets_have_a_version" {
  command = plan

  variables {
    secrets_version = 0
  }

  expect_failures = [var.secrets_version]
}

run "the_report_style_is_known" {
  command = plan

  variables {
    report_style = "all"
  }

  expect_failures = [var.report_style]
}

run "a_target_of_the_self_check_is_a_server" {
  command = plan

  variables {
    self_check_targets = ["https://example.com", "example.com"]
  }

  expect_failures = [var.self_check_targets]
}

run "a_check_takes_some_time" {
  command = plan

  variables {
    check_timeout = "0s"
  }

  expect_failures = [var.check_timeout]
}

run "a_check_takes_seconds_not_minutes" {
  command = plan

  variables {
    check_timeout = "5m"
  }

  expect_failures = [var.check_timeout]
}

run "a_check_pings" {
  command = plan

  variables {
    check_pings = 0
  }

  expect_failures = [var.check_pings]
}

run "a_check_pings_not_too_often" {
  command = plan

  variables {
    check_pings = 101
  }

  expect_failures = [var.check_pings]
}

run "pings_are_whole" {
  command = plan

  variables {
    check_pings = 1.5
  }

  expect_failures = [var.check_pings]
}

run "some_check_runs" {
  command = plan

  variables {
    check_concurrency = 0
  }

  expect_failures = [var.check_concurrency]
}

run "checks_have_file_descriptors" {
  command = plan

  variables {
    check_concurrency = 901
  }

  expect_failures = [var.check_concurrency]
}

run "a_log_filter_is_no_sentence" {
  command = plan

  variables {
    log_filter = "log everything"
  }

  expect_failures = [var.log_filter]
}

run "logs_are_kept_as_long_as_cloudwatch_can" {
  command = plan

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "lambda_tries_again_twice_at_most" {
  command = plan

  variables {
    retry_attempts = 3
  }

  expect_failures = [var.retry_attempts]
}

run "a_spool_keeps_for_a_day_at_least" {
  command = plan

  variables {
    spool_retention_days = 0
  }

  expect_failures = [var.spool_retention_days]
}

run "a_spool_keeps_for_two_weeks_at_most" {
  command = plan

  variables {
    spool_retention_days = 15
  }

  expect_failures = [var.spool_retention_days]
}

run "a_spool_is_a_minute_old_at_least" {
  command = plan

  variables {
    spool_age_alarm = 59
  }

  expect_failures = [var.spool_age_alarm]
}

run "what_companies_set_is_valid" {
  command = plan

  variables {
    permissions_boundary = "arn:aws:iam::123456789012:role/boundary"
    role_path            = "services"
    tracing_mode         = "On"
    alarms               = ["error"]
  }

  expect_failures = [var.permissions_boundary, var.role_path, var.tracing_mode, var.alarms]
}

run "a_budget_has_a_limit" {
  command = plan

  variables {
    tags   = { service = "nodes" }
    budget = { monthly_usd = 0, tag = "service", emails = ["operator@example.net"] }
  }

  expect_failures = [var.budget]
}

run "a_budget_is_for_a_tag" {
  command = plan

  variables {
    budget = { monthly_usd = 20, tag = "service", emails = ["operator@example.net"] }
  }

  expect_failures = [var.budget]
}

run "a_budget_notifies_somebody" {
  command = plan

  variables {
    tags   = { service = "nodes" }
    budget = { monthly_usd = 20, tag = "service", emails = [] }
  }

  expect_failures = [var.budget]
}
