locals {
  alarm_kinds = {
    errors = {
      advice    = "invocations fail: see the logs; their results are lost unless they are in the spool"
      namespace = "AWS/Lambda"
      metric    = "Errors"
      queue     = null
      statistic = "Sum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    throttles = {
      advice    = "Lambda throttles invocations: the concurrency limit of the account or the function is reached"
      namespace = "AWS/Lambda"
      metric    = "Throttles"
      queue     = null
      statistic = "Sum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    spool-dead-letters = {
      advice    = "results could not be delivered for days: move them back to the spool when the hub accepts them again"
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      queue     = "spool-dead-letters"
      statistic = "Maximum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    spool-age = {
      advice    = "results wait for the hub: it is unreachable, or refuses this probe's token"
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
  alarm_description = "${local.names[each.value.region]}: ${each.value.advice}"

  namespace   = each.value.namespace
  metric_name = each.value.metric
  dimensions = (
    each.value.queue == null
    ? { FunctionName = aws_lambda_function.this[each.value.region].function_name }
    : {
      QueueName = {
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

# For a metric without data CloudWatch evaluates older data first, so the alarm would fire three periods late. FILL turns
# missing data into zeros. The period also covers the delay of Lambda's metrics, a minute or two.
resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each = var.regions
  region   = each.key

  alarm_name        = "${local.names[each.key]}-silence"
  alarm_description = "${local.names[each.key]}: nothing invokes the function: check the schedule and its role"
  # A paused region is silent on purpose.
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
      # Three missing invocations, and at least five minutes.
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
