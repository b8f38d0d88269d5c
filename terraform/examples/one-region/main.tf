# A probe in one region. TF_VAR_node_token holds the token, which never gets into the state.

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
}

variable "backend_base_url" {
  description = "The hub's base URL."
  type        = string
}

variable "node_token" {
  description = "The token that 'easytier-uptime hub token create --region eu' printed."
  type        = string
  sensitive   = true
  ephemeral   = true
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

  regions = {
    eu-central-1 = { probe_region = "eu" }
  }
  node_tokens = { eu-central-1 = var.node_token }
}

output "functions" {
  description = "The resources of each region."
  value       = module.uptime.functions
}

output "invoke" {
  description = "A command to try the function."
  value       = module.uptime.invoke
}
