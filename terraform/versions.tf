terraform {
  # For write-only arguments, which keep secrets out of the state.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # For the argument 'region' of resources, so that one provider serves all regions.
      version = "~> 6.0"
    }
  }
}
