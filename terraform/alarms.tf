locals {
  # Those of one metric. 'of' names the entry of local.dimensions.
  alarm_kinds = {
    errors = {
      advice    = "invocations fail: see the logs; their results are lost unless they are in the spool"
      namespace = "AWS/Lambda"
      metric    = "Errors"
      of        = "function"
      statistic = "Sum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    throttles = {
      advice    = "Lambda throttles invocations: the concurrency limit of the account or the function is reached"
      namespace = "AWS/Lambda"
      metric    = "Throttles"
      of        = "function"
      statistic = "Sum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    nothing-checked = {
      advice    = "the function runs and checks nothing: the hub has no peers that are due in this region, or is away, or refuses the token"
      namespace = local.metric_namespace
      metric    = "checked"
      of        = "probe"
      statistic = "Sum"
      compare   = "LessThanThreshold"
      threshold = 1
    }
    spool-dead-letters = {
      advice    = "results could not be delivered for days: move them back to the spool when the hub accepts them again"
      namespace = "AWS/SQS"
      metric    = "ApproximateNumberOfMessagesVisible"
      of        = "spool-dead-letters"
      statistic = "Maximum"
      compare   = "GreaterThanOrEqualToThreshold"
      threshold = 1
    }
    spool-age = {
      advice    = "results wait for the hub: it is unreachable, or refuses this probe's token"
      namespace = "AWS/SQS"
      metric    = "ApproximateAgeOfOldestMessage"
      of        = "spool"
      statistic = "Maximum"
      compare   = "GreaterThanThreshold"
      threshold = var.spool_age_alarm
    }
  }

  alarm_list = flatten([
    for region in keys(local.regions) : [
      for kind, alarm in local.alarm_kinds : merge(alarm, {
        key    = "${region}/${kind}"
        kind   = kind
        region = region
      }) if contains(var.alarms, kind)
    ]
  ])

  # The function writes its own metrics into its log, one line for each invocation.
  metric_namespace = "EasyTierUptime"

  dimensions = {
    for region in keys(local.regions) : region => {
      function           = { FunctionName = aws_lambda_function.this[region].function_name }
      probe              = { region = local.environment[region].REGION }
      spool              = { QueueName = aws_sqs_queue.spool[region].name }
      spool-dead-letters = { QueueName = aws_sqs_queue.spool_dead_letters[region].name }
    }
  }

  # Three invocations, and at least five minutes.
  periods_of_three = { for region, interval in local.intervals : region => 60 * ceil(max(300, 3 * interval) / 60) }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for alarm in local.alarm_list : alarm.key => alarm }
  region   = each.value.region

  alarm_name        = "${local.names[each.value.region]}-${each.value.kind}"
  alarm_description = "${local.names[each.value.region]}: ${each.value.advice}"

  namespace   = each.value.namespace
  metric_name = each.value.metric
  dimensions  = local.dimensions[each.value.region][each.value.of]

  statistic           = each.value.statistic
  comparison_operator = each.value.compare
  threshold           = each.value.threshold
  period              = each.value.of == "probe" ? local.periods_of_three[each.value.region] : 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = compact([local.regions[each.value.region].alarm_topic_arn])
  ok_actions    = compact([local.regions[each.value.region].alarm_topic_arn])

  tags = var.tags
}

# Either all peers are offline, or the function has no network: then they are unknown, because it examines its own network
# before it reports nearly all of its peers as offline.
resource "aws_cloudwatch_metric_alarm" "none_online" {
  for_each = { for region, about in local.regions : region => about if contains(var.alarms, "none-online") }
  region   = each.key

  alarm_name        = "${local.names[each.key]}-none-online"
  alarm_description = "${local.names[each.key]}: peers are checked and none is online: all are offline, or the function's own network is cut off"

  metric_query {
    id          = "none"
    expression  = "IF(checked > 0 AND online < 1, 1, 0)"
    label       = "No peer is online"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = toset(["checked", "online"])
    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = local.metric_namespace
        metric_name = metric_query.key
        dimensions  = local.dimensions[each.key].probe
        stat        = "Sum"
        period      = local.periods_of_three[each.key]
      }
    }
  }

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = compact([each.value.alarm_topic_arn])
  ok_actions    = compact([each.value.alarm_topic_arn])

  tags = var.tags
}

# For a metric without data CloudWatch evaluates older data first, so the alarm would fire three periods late. FILL turns
# missing data into zeros. The period also covers the delay of Lambda's metrics, a minute or two.
resource "aws_cloudwatch_metric_alarm" "silence" {
  for_each = { for region, about in local.regions : region => about if contains(var.alarms, "silence") }
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
      dimensions  = local.dimensions[each.key].function
      stat        = "Sum"
      period      = local.periods_of_three[each.key]
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
