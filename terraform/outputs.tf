output "functions" {
  description = "AWS region → its resources. Secrets appear only as the names of their parameters."
  value = {
    for region in keys(local.regions) : region => {
      function_name      = aws_lambda_function.this[region].function_name
      function_arn       = aws_lambda_function.this[region].arn
      alias_arn          = aws_lambda_alias.live[region].arn
      function_version   = aws_lambda_alias.live[region].function_version
      newest_version     = aws_lambda_function.this[region].version
      role_arn           = local.function_role_arns[region]
      schedule_role_arn  = local.schedule_role_arns[region]
      schedule_arn       = aws_scheduler_schedule.this[region].arn
      log_group          = aws_cloudwatch_log_group.function[region].name
      spool_queue        = aws_sqs_queue.spool[region].url
      spool_dead_letters = aws_sqs_queue.spool_dead_letters[region].url
      node_token         = local.node_token_references[region]
      api_key            = local.api_key_references[region]
      alarms = concat(
        [for alarm in local.alarm_list : aws_cloudwatch_metric_alarm.this[alarm.key].alarm_name if alarm.region == region],
        [for alarms in [aws_cloudwatch_metric_alarm.none_online, aws_cloudwatch_metric_alarm.silence] : alarms[region].alarm_name if contains(keys(alarms), region)],
      )
    }
  }
}

output "invoke" {
  description = "AWS region → a command that makes the function check one peer, without the hub."
  value = {
    for region in keys(local.regions) : region => join(" ", [
      "aws lambda invoke --region ${region} --function-name ${aws_lambda_function.this[region].function_name} --qualifier ${local.alias}",
      "--cli-binary-format raw-in-base64-out --payload '{\"peers\":[\"tcp://node.example.net:11010\"]}' /dev/stdout",
    ])
  }
}

output "policies" {
  description = "AWS region → the JSON policies of its roles, for 'function_role_arn' and 'schedule_role_arn': 'function' and 'schedule' allow what each needs, 'function_trust' and 'schedule_trust' who may assume it. With 'create' set to false, a plan shows them and creates nothing."
  value       = local.policies
}

output "dashboard" {
  description = "The name of the dashboard, if there is one."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}
