output "functions" {
  description = "AWS region → its resources. Secrets appear only as the names of their parameters."
  value = {
    for region in keys(var.regions) : region => {
      function_name      = aws_lambda_function.this[region].function_name
      function_arn       = aws_lambda_function.this[region].arn
      role_arn           = aws_iam_role.function[region].arn
      schedule_arn       = aws_scheduler_schedule.this[region].arn
      log_group          = aws_cloudwatch_log_group.function[region].name
      spool_queue        = aws_sqs_queue.spool[region].url
      spool_dead_letters = aws_sqs_queue.spool_dead_letters[region].url
      node_token         = local.node_token_references[region]
      api_key            = local.api_key_references[region]
      alarms = concat(
        [for alarm in local.alarm_list : aws_cloudwatch_metric_alarm.this[alarm.key].alarm_name if alarm.region == region],
        [aws_cloudwatch_metric_alarm.silence[region].alarm_name],
      )
    }
  }
}

output "invoke" {
  description = "AWS region → a command that makes the function check one peer, without the hub."
  value = {
    for region in keys(var.regions) : region => join(" ", [
      "aws lambda invoke --region ${region} --function-name ${aws_lambda_function.this[region].function_name}",
      "--cli-binary-format raw-in-base64-out --payload '{\"peers\":[\"tcp://node.example.net:11010\"]}' /dev/stdout",
    ])
  }
}
