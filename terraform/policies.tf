# What the function and its schedule may do, for the module's own roles and for existing ones (output 'policies').

locals {
  # What Lambda does in a VPC with the function's role, so that the function itself could do it too.
  network_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]

  policies = {
    for region, about in var.regions : region => {
      function_trust = jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Action    = "sts:AssumeRole"
          Principal = { Service = "lambda.amazonaws.com" }
        }]
      })

      function = jsonencode({
        Version = "2012-10-17"
        Statement = concat(
          [
            {
              Sid      = "Log"
              Effect   = "Allow"
              Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
              Resource = "${local.arns[region].log_group}:*"
            },
            {
              Sid      = "Spool"
              Effect   = "Allow"
              Action   = ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"]
              Resource = local.arns[region].spool
            },
          ],
          [
            for service, action in { ssm = "ssm:GetParameter", secretsmanager = "secretsmanager:GetSecretValue" } : {
              Sid                        = service == "ssm" ? "ReadParameters" : "ReadSecrets"
              Effect                     = "Allow"
              Action                     = action
              Resource                   = [for arn in local.secret_arns[region] : arn if split(":", arn)[2] == service]
            } if anytrue([for arn in local.secret_arns[region] : split(":", arn)[2] == service])
          ],
          # AWS managed keys need no permission besides reading the secret.
          [
            for key in about.kms_keys.secrets[*] : {
              Sid      = "DecryptSecrets"
              Effect   = "Allow"
              Action   = "kms:Decrypt"
              Resource = key
              Condition = {
                StringLike = { "kms:ViaService" = ["ssm.${region}.*", "secretsmanager.${region}.*"] }
              }
            }
          ],
          [
            for key in about.kms_keys.queues[*] : {
              Sid       = "EncryptSpool"
              Effect    = "Allow"
              Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
              Resource  = key
              Condition = { StringLike = { "kms:ViaService" = "sqs.${region}.*" } }
            }
          ],
          [
            for key in about.kms_keys.environment[*] : {
              Sid      = "DecryptEnvironment"
              Effect   = "Allow"
              Action   = "kms:Decrypt"
              Resource = key
            }
          ],
          [
            for mode in [var.tracing_mode] : {
              Sid      = "Trace"
              Effect   = "Allow"
              Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
              Resource = "*"
            } if mode == "Active"
          ],
          [
            for vpc in about.vpc[*] : {
              Sid      = "Network"
              Effect   = "Allow"
              Action   = local.network_actions
              Resource = "*"
            }
          ],
          [
            for vpc in about.vpc[*] : {
              Sid       = "NetworkOnlyForLambda"
              Effect    = "Deny"
              Action    = local.network_actions
              Resource  = "*"
              Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.arns[region].function } }
            }
          ],
        )
      })

      schedule_trust = jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Action    = "sts:AssumeRole"
          Principal = { Service = "scheduler.amazonaws.com" }
          # Only this schedule group may assume the role.
          Condition = {
            StringEquals = {
              "aws:SourceAccount" = data.aws_caller_identity.this.account_id
              "aws:SourceArn"     = local.arns[region].schedule_group
            }
          }
        }]
      })

      schedule = jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid      = "Invoke"
          Effect   = "Allow"
          Action   = "lambda:InvokeFunction"
          Resource = local.arns[region].alias
        }]
      })
    }
  }
}
