locals {
  alarm_kinds = {
    errors = {
      says      = "invocations fail: see the logs; results of a failed invocation are lost when they are not in the spool"
      namespace = "AWS/Lambda"
      metric    = "Errors"
      queue     = null
      statistic = "Sum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    throttles = {
      says      = "Lambda turns invocations away: the account's or the function's concurrency is used up"
      namespace = "AWS/Lambda"
      metric    = "Throttles"
      queue     = null
      statistic = "Sum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    dead-letters = {
      says      = "events were given up: read them, mend the cause, and empty the queue"
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      queue     = "dead-letters"
      statistic = "Maximum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    spool-dead-letters = {
      says      = "results could not be delivered for days: send them back into the spool when the hub takes them again"
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      queue     = "spool-dead-letters"
      statistic = "Maximum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    spool-age = {
      says      = "results wait for the hub: it is away, or refuses this probe's token"
      namespace = "AWS/SQS"
      metric    = "ApproximateAgeOfOldestMessage"
      queue     = "spool"
      statistic = "Maximum"
      compare   = "GreaterThanThreshold"
      threshold = var.spool_age_alarm
    }
  }

  alarm_list = flatten([
    for region in keys(var.regions) : [
      for kind, alarm in local.alarm_kinds : merge(alarm, {
        key    = "${region}/${kind}"
        kind   = kind
        region = region
      })
    ]
  ])
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for alarm in local.alarm_list : alarm.key => alarm }
  region   = each.value.region

  alarm_name        = "${local.names[each.value.region]}-${each.value.kind}"
  alarm_description = "${local.names[each.value.region]}: ${each.value.says}"

  namespace   = each.value.namespace
  metric_name = each.value.metric
  dimensions = (
    each.value.queue == null
    ? { FunctionName = aws_lambda_function.this[each.value.region].function_name }
    : {
      QueueName = {
        dead-letters       = aws_sqs_queue.dead_letters
        spool              = aws_sqs_queue.spool
        spool-dead-letters = aws_sqs_queue.spool_dead_letters
      }[each.value.queue][each.value.region].name
    }
  )

  statistic           = each.value.statistic
  comparison_operator = each.value.compare
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = compact([var.regions[each.value.region].alarm_topic_arn])
  ok_actions    = compact([var.regions[each.value.region].alarm_topic_arn])

  tags = var.tags
}

# Of a metric without data CloudWatch looks at older data first, and would see the silence only after three periods more.
# What is filled in is data. The period is long enough for Lambda's metrics, which come a minute or two late.
resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each = var.regions
  region   = each.key

  alarm_name        = "${local.names[each.key]}-silence"
  alarm_description = "${local.names[each.key]}: nothing invokes the function: see the schedule and its role"
  # A region that is paused is silent by intent.
  actions_enabled = each.value.enabled

  metric_query {
    id          = "filled"
    expression  = "FILL(invocations, 0)"
    label       = "Invocations"
    return_data = true
  }

  metric_query {
    id          = "invocations"
    return_data = false

    metric {
      namespace   = "AWS/Lambda"
      metric_name = "Invocations"
      dimensions  = { FunctionName = aws_lambda_function.this[each.key].function_name }
      stat        = "Sum"
      # Five minutes, and three invocations that stay away where they come less often.
      period = 60 * ceil(max(300, 3 * local.intervals[each.key]) / 60)
    }
  }

  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 1
  treat_missing_data  = "breaching"

  alarm_actions = compact([each.value.alarm_topic_arn])
  ok_actions    = compact([each.value.alarm_topic_arn])

  tags = var.tags
}
