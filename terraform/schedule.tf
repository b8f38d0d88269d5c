resource "aws_scheduler_schedule_group" "this" {
  for_each = local.regions
  region   = each.key

  name = local.names[each.key]
  tags = var.tags
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.regions
  region   = each.key

  name                = local.names[each.key]
  description         = "Checks the peers that are due"
  group_name          = aws_scheduler_schedule_group.this[each.key].name
  schedule_expression = each.value.schedule
  state               = each.value.enabled ? "ENABLED" : "DISABLED"

  schedule_expression_timezone = each.value.timezone

  flexible_time_window {
    mode                      = each.value.flexible_window == null ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = each.value.flexible_window
  }

  target {
    arn      = aws_lambda_alias.live[each.key].arn
    role_arn = local.schedule_role_arns[each.key]
    # By default the scheduler sends its own event.
    input = jsonencode({})

    retry_policy {
      maximum_retry_attempts       = var.retry_attempts
      maximum_event_age_in_seconds = local.event_ages[each.key]
    }
  }

  # Otherwise the first invocation would fail.
  depends_on = [aws_iam_role_policy.schedule]
}
