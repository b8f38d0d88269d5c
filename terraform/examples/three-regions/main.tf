# A probe in each of three regions, with alarms. Tokens come from TF_VAR_node_tokens, except one that is already in
# Secrets Manager.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

# One provider for all regions.
provider "aws" {
  region = "eu-central-1"
}

variable "backend_base_url" {
  description = "The hub's base URL; several, comma-separated, are tried in order."
  type        = string
}

variable "node_tokens" {
  description = "AWS region → node token, for eu-central-1 and us-east-1."
  type        = map(string)
  sensitive   = true
  ephemeral   = true
}

variable "asian_token_arn" {
  description = "The Secrets Manager secret in ap-southeast-1 with that region's token."
  type        = string
}

variable "mail" {
  description = "The email address that is notified of alarms."
  type        = string
}

# An alarm can notify only a topic in its own region that is not encrypted with the AWS managed key.
resource "aws_sns_topic" "alarms" {
  for_each = toset(["ap-southeast-1", "eu-central-1", "us-east-1"])
  region   = each.key

  name = "easytier-uptime-alarms"
}

resource "aws_sns_topic_subscription" "mail" {
  for_each = aws_sns_topic.alarms
  region   = each.key

  topic_arn = each.value.arn
  protocol  = "email"
  endpoint  = var.mail
}

variable "package_path" {
  description = "The function's zip file."
  type        = string
  default     = "../../../target/lambda/easytier-uptime-lambda/bootstrap.zip"
}

module "uptime" {
  source = "../.."

  backend_base_url = var.backend_base_url
  package_path     = var.package_path
  node_tokens      = var.node_tokens

  regions = {
    eu-central-1 = {
      probe_region    = "eu"
      alarm_topic_arn = aws_sns_topic.alarms["eu-central-1"].arn
    }
    us-east-1 = {
      probe_region    = "us"
      alarm_topic_arn = aws_sns_topic.alarms["us-east-1"].arn
    }
    # Far from most peers: fewer and longer checks.
    ap-southeast-1 = {
      probe_region    = "asia"
      schedule        = "rate(2 minutes)"
      memory          = 128
      node_token_arn  = var.asian_token_arn
      alarm_topic_arn = aws_sns_topic.alarms["ap-southeast-1"].arn
      environment     = { HEALTH_CHECK_TIMEOUT = "8s" }
    }
  }

  tags = { service = "easytier-uptime" }
}

output "functions" {
  description = "The resources of each region."
  value       = module.uptime.functions
}

output "invoke" {
  description = "A command to try each function."
  value       = module.uptime.invoke
}
