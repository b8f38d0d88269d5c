# A probe in two regions of an account with rules: roles are limited, keys are the company's, the function runs in a VPC, and its
# code comes from a bucket of the pipeline. Existing things are named by variables.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"

  default_tags {
    tags = { managed-by = "terraform" }
  }
}

variable "backend_base_url" {
  description = "The hub's base URL; several, comma-separated, are tried in order."
  type        = string
}

variable "permissions_boundary" {
  description = "The ARN of the policy that every role of the account must have as its boundary."
  type        = string
}

variable "package" {
  description = "The function's zip file: the bucket in each region, its key and version, and its SHA-256 in hex."
  type = object({
    buckets = map(string)
    key     = string
    version = string
    sha256  = string
  })
}

variable "regions" {
  description = "eu-central-1 and us-east-1 → what exists there: the secret with the node token, the key, the network and the SNS topic."
  type = map(object({
    node_token_arn     = string
    kms_key_arn        = string
    subnet_ids         = set(string)
    security_group_ids = set(string)
    alarm_topic_arn    = string
  }))
}

variable "function_versions" {
  description = "AWS region → the published version to go back to, such as { eu-central-1 = 7 }."
  type        = map(number)
  default     = {}
}

variable "emails" {
  description = "Who is notified when the budget is nearly used up."
  type        = set(string)
}

module "uptime" {
  source = "../.."

  backend_base_url = var.backend_base_url
  package_s3       = var.package
  package_sha256   = var.package.sha256

  permissions_boundary = var.permissions_boundary
  role_path            = "/services/"
  tracing_mode         = "Active"
  log_retention_days   = 365

  regions = {
    for region, about in var.regions : region => {
      probe_region     = { eu-central-1 = "eu", us-east-1 = "us" }[region]
      function_version = lookup(var.function_versions, region, null)
      node_token_arn   = about.node_token_arn
      alarm_topic_arn  = about.alarm_topic_arn
      vpc = {
        subnet_ids         = about.subnet_ids
        security_group_ids = about.security_group_ids
        ipv6               = true
      }
      kms_keys = { for purpose in ["secrets", "environment", "logs", "queues"] : purpose => about.kms_key_arn }
    }
  }
  node_tokens = {}

  dashboard     = true
  budget        = { monthly_usd = 20, tag = "service", emails = var.emails }
  tags          = { service = "easytier-uptime", cost-centre = "4711" }
  function_tags = { data-classification = "public" }
}

output "functions" {
  description = "The resources of each region."
  value       = module.uptime.functions
}

output "policies" {
  description = "What the roles may do, for a review."
  value       = module.uptime.policies
}
