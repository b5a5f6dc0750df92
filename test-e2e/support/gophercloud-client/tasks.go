package main

import (
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/tasks"
	"github.com/gophercloud/gophercloud/pagination"
)

// An administrator's, unlike everything else.
func runsTasks(ours, theirs *gophercloud.ServiceClient) {
	input := map[string]interface{}{
		"import_from":        os.Getenv("SOURCE"),
		"import_from_format": "raw",
		"image_properties": map[string]interface{}{
			"name": "of a task", "disk_format": "raw", "container_format": "bare",
		},
	}
	for n := 0; n < 3; n++ {
		task, err := tasks.Create(ours, tasks.CreateOpts{Type: "import", Input: input}).Extract()
		must(err)
		equal(task.Type, "import")
		eventually("the task", func() bool {
			task, err = tasks.Get(ours, task.ID).Extract()
			must(err)
			return task.Status == string(tasks.TaskStatusSuccess)
		})
		equal(task.Self, "/v2/tasks/"+task.ID)
		equal(task.ExpiresAt.After(task.CreatedAt), true)
		image := get(ours, task.Result["image_id"].(string))
		equal(image.Name, "of a task")
		equal(image.Status, images.ImageStatusActive)
		must(images.Delete(ours, image.ID).ExtractErr())
	}
	legacy := 0
	options := tasks.ListOpts{Limit: 1, Status: tasks.TaskStatusSuccess, SortKey: "created_at"}
	must(tasks.List(ours, options).EachPage(func(page pagination.Page) (bool, error) {
		found, err := tasks.ExtractTasks(page)
		must(err)
		equal(len(found), 1)
		if found[0].Type == "import" {
			legacy++
		}
		return true, nil
	}))
	equal(legacy, 3)

	refused(tasks.Get(ours, none).Err, gophercloud.ErrDefault404{})
	refused(tasks.List(theirs, tasks.ListOpts{}).EachPage(nil), gophercloud.ErrDefault403{})
}
