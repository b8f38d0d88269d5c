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
      missing   = "notBreaching"
    }
    throttles = {
      says      = "Lambda turns invocations away: the account's or the function's concurrency is used up"
      namespace = "AWS/Lambda"
      metric    = "Throttles"
      queue     = null
      statistic = "Sum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
      missing   = "notBreaching"
    }
    silence = {
      says      = "nothing invokes the function: see the schedule and its role"
      namespace = "AWS/Lambda"
      metric    = "Invocations"
      queue     = null
      statistic = "Sum"
      compare   = "LessThanThreshold"
      threshold = 1
      missing   = "breaching"
    }
    dead-letters = {
      says      = "events were given up: read them, mend the cause, and empty the queue"
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      queue     = "dead-letters"
      statistic = "Maximum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
      missing   = "notBreaching"
    }
    spool-dead-letters = {
      says      = "results could not be delivered for days: send them back into the spool when the hub takes them again"
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      queue     = "spool-dead-letters"
      statistic = "Maximum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
      missing   = "notBreaching"
    }
    spool-age = {
      says      = "results wait for the hub: it is away, or refuses this probe's token"
      namespace = "AWS/SQS"
      metric    = "ApproximateAgeOfOldestMessage"
      queue     = "spool"
      statistic = "Maximum"
      compare   = "GreaterThanThreshold"
      threshold = var.spool_age_alarm
      missing   = "notBreaching"
    }
  }

  alarm_list = flatten([
    for region, about in var.regions : [
      for kind, alarm in local.alarm_kinds : merge(alarm, {
        key    = "${region}/${kind}"
        kind   = kind
        region = region
        # Five minutes, and three invocations that stay away where they come less often. A region that is paused is
        # silent by intent.
        period  = kind == "silence" ? 60 * ceil(max(300, 3 * local.intervals[region]) / 60) : 300
        enabled = kind == "silence" ? about.enabled : true
      })
    ]
  ])
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for alarm in local.alarm_list : alarm.key => alarm }
  region   = each.value.region

  alarm_name        = "${local.names[each.value.region]}-${each.value.kind}"
  alarm_description = "${local.names[each.value.region]}: ${each.value.says}"
  actions_enabled   = each.value.enabled

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
  period              = each.value.period
  evaluation_periods  = 1
  treat_missing_data  = each.value.missing

  alarm_actions = compact([var.regions[each.value.region].alarm_topic_arn])
  ok_actions    = compact([var.regions[each.value.region].alarm_topic_arn])

  tags = var.tags
}
