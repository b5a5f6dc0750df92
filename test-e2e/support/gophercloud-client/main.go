// What a program such as Terraform's provider does with images, by gophercloud: each scenario ends
// at the first answer that is not as it must be.
package main

import (
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
)

var scenarios = map[string]func(ours, theirs *gophercloud.ServiceClient){
	"lifecycle": lifecycle,
	"imports":   imports,
	"lists":     lists,
	"changes":   changes,
	"members":   shares,
	"errors":    failures,
	"tasks":     runsTasks,
}

// Arguments: the scenario, and the user and the project of somebody else.
func main() {
	ours := login(os.Getenv("OS_USERNAME"), os.Getenv("OS_PROJECT_NAME"))
	theirs := login(os.Args[2], os.Args[3])
	scenarios[os.Args[1]](ours, theirs)
	fmt.Println("passed")
}

func login(user, project string) *gophercloud.ServiceClient {
	provider, err := openstack.AuthenticatedClient(gophercloud.AuthOptions{
		IdentityEndpoint: os.Getenv("OS_AUTH_URL"),
		Username:         user,
		Password:         os.Getenv("OS_PASSWORD"),
		DomainName:       os.Getenv("OS_USER_DOMAIN_NAME"),
		AllowReauth:      true,
		Scope: &gophercloud.AuthScope{
			ProjectName: project,
			DomainName:  os.Getenv("OS_PROJECT_DOMAIN_NAME"),
		},
	})
	must(err)
	client, err := openstack.NewImageServiceV2(provider, gophercloud.EndpointOpts{
		Region: os.Getenv("OS_REGION_NAME"),
	})
	must(err)
	return client
}
