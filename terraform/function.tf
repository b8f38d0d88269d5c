resource "aws_cloudwatch_log_group" "function" {
  for_each = var.regions
  region   = each.key

  name              = "/aws/lambda/${local.names[each.key]}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  for_each = var.regions
  region   = each.key

  function_name = local.names[each.key]
  description   = "Checks EasyTier nodes and reports to the hub"
  role          = aws_iam_role.function[each.key].arn

  filename         = var.package_path
  source_code_hash = filebase64sha256(var.package_path)
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]

  memory_size                    = each.value.memory
  timeout                        = each.value.timeout
  reserved_concurrent_executions = each.value.concurrency

  environment {
    variables = { for name, value in local.environment[each.key] : name => value if value != null }
  }

  # The function itself writes JSON, with metrics in a form that Lambda must not change.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  tags = var.tags

  # Otherwise the first invocation could run without its permissions.
  depends_on = [aws_iam_role_policy.function]
}

# The schedule's events wait in Lambda's internal queue before they reach the function.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = var.regions
  region   = each.key

  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_retry_attempts       = var.retry_attempts
  maximum_event_age_in_seconds = local.event_ages[each.key]
}
