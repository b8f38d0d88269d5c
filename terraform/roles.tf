resource "aws_iam_role" "function" {
  for_each = var.regions

  name        = local.names[each.key]
  description = "Permissions of the function of ${var.name} in ${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "function" {
  for_each = var.regions

  name = "function"
  role = aws_iam_role.function[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.function[each.key].arn}:*"
        },
        {
          Sid      = "Spool"
          Effect   = "Allow"
          Action   = ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"]
          Resource = aws_sqs_queue.spool[each.key].arn
        },
      ],
      [
        for service, action in { ssm = "ssm:GetParameter", secretsmanager = "secretsmanager:GetSecretValue" } : {
          Sid                        = service == "ssm" ? "ReadParameters" : "ReadSecrets"
          Effect                     = "Allow"
          Action                     = action
          Resource                   = [for arn in local.secret_arns[each.key] : arn if split(":", arn)[2] == service]
        } if anytrue([for arn in local.secret_arns[each.key] : split(":", arn)[2] == service])
      ],
      # AWS managed keys need no permission besides reading the secret.
      each.value.kms_key_arn == null ? [] : [
        {
          Sid      = "DecryptSecrets"
          Effect   = "Allow"
          Action   = "kms:Decrypt"
          Resource = each.value.kms_key_arn
          Condition = {
            StringLike = {
              "kms:ViaService" = ["ssm.${each.key}.*", "secretsmanager.${each.key}.*"]
            }
          }
        },
      ],
    )
  })
}

resource "aws_iam_role" "schedule" {
  for_each = var.regions

  name        = "${local.names[each.key]}-schedule"
  description = "Permissions of the schedule of ${var.name} in ${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      # Only this schedule group may assume the role.
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = data.aws_caller_identity.this.account_id
          "aws:SourceArn"     = aws_scheduler_schedule_group.this[each.key].arn
        }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "schedule" {
  for_each = var.regions

  name = "schedule"
  role = aws_iam_role.schedule[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Invoke"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = aws_lambda_function.this[each.key].arn
      },
    ]
  })
}
