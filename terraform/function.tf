locals {
  # Whoever invokes the function invokes this alias.
  alias = "live"
}

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.regions
  region   = each.key

  name              = "/aws/lambda/${local.names[each.key]}"
  retention_in_days = var.log_retention_days
  kms_key_id        = each.value.kms_keys.logs
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  for_each = local.regions
  region   = each.key

  function_name = local.names[each.key]
  description   = "Checks EasyTier nodes and reports to the hub"
  role          = local.function_role_arns[each.key]

  filename          = var.package_path
  s3_bucket         = var.package_s3 == null ? null : data.aws_s3_object.package[each.key].bucket
  s3_key            = var.package_s3 == null ? null : data.aws_s3_object.package[each.key].key
  s3_object_version = var.package_s3 == null ? null : var.package_s3.version
  source_code_hash  = local.package_hash
  publish           = true
  runtime           = "provided.al2023"
  handler           = "bootstrap"
  architectures     = [var.architecture]

  memory_size                    = each.value.memory
  timeout                        = each.value.timeout
  reserved_concurrent_executions = each.value.concurrency

  environment {
    variables = { for name, value in local.environment[each.key] : name => value if value != null }
  }
  kms_key_arn = each.value.kms_keys.environment

  dynamic "vpc_config" {
    for_each = each.value.vpc[*]
    content {
      subnet_ids                  = vpc_config.value.subnet_ids
      security_group_ids          = vpc_config.value.security_group_ids
      ipv6_allowed_for_dual_stack = vpc_config.value.ipv6
    }
  }

  tracing_config {
    mode = var.tracing_mode
  }

  # The function itself writes JSON, with metrics in a form that Lambda must not change.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  tags = merge(var.tags, var.function_tags)

  # Otherwise the first invocation could run without its permissions.
  depends_on = [aws_iam_role_policy.function]
}

# Each change of the code or the configuration is a version. The alias leads to the newest, or back to an older one.
resource "aws_lambda_alias" "live" {
  for_each = local.regions
  region   = each.key

  name             = local.alias
  description      = "The version that the schedule invokes"
  function_name    = aws_lambda_function.this[each.key].function_name
  function_version = each.value.function_version == null ? aws_lambda_function.this[each.key].version : tostring(each.value.function_version)
}

# The schedule's events wait in Lambda's internal queue before they reach the function.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local.regions
  region   = each.key

  function_name                = aws_lambda_function.this[each.key].function_name
  qualifier                    = aws_lambda_alias.live[each.key].name
  maximum_retry_attempts       = var.retry_attempts
  maximum_event_age_in_seconds = local.event_ages[each.key]
}
